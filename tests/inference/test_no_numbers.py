"""A network whose answer is no number gives no class."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from petiole.deploy.runtime import Array
from petiole.inference import predict
from petiole.inference.predict import NO_NUMBER, Named


class Broken:
    """Answers the second picture with ``bad`` logits."""

    name = "broken"

    def __init__(self, bad: Sequence[float]) -> None:
        self._bad = bad

    def run(self, inputs: Array) -> Array:
        return np.array([[0.0, 0.0], self._bad], dtype=np.float32)


@pytest.mark.parametrize("bad", [(np.nan, 0.0), (np.inf, np.inf), (0.0, np.nan)])
def test_a_picture_without_a_number_is_a_row_with_the_reason(bad: tuple[float, float]) -> None:
    picture = np.zeros((1, 3, 2, 2), dtype=np.float32)
    loaded: list[tuple[Named, Array | str]] = [(Named(Path("a.jpg")), picture), (Named(Path("b.jpg")), picture)]
    first, second = predict._rows(("ants", "bees"), Broken(bad), loaded)  # type: ignore[arg-type]
    assert (first.label, first.probability, first.why) == ("ants", 0.5, None)
    assert (second.label, second.why) == (None, NO_NUMBER)
