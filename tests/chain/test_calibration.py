"""Training photos to calibrate on and others to judge on: never the same photo on both sides."""

from types import SimpleNamespace
from typing import cast

import pytest
import torch

from petiole.chain.bench import PhotoBench
from petiole.chain.calibration import photos_apart


def bench(sha256: str, images: int) -> PhotoBench:
    """A bench with one training photo for each letter; its pixel and its label are its place."""
    places = torch.arange(len(sha256))
    train = SimpleNamespace(labels=places, sha256=tuple(sha256))
    fake = SimpleNamespace(
        train_inputs=lambda: places.float().view(-1, 1, 1, 1),
        photo_data=lambda: SimpleNamespace(train=train),
        config=SimpleNamespace(effort=SimpleNamespace(calibration_images=images)),
    )
    return cast(PhotoBench, fake)


@pytest.fixture(autouse=True)
def _in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Photos are chosen in their own order."""
    monkeypatch.setattr(torch, "randperm", lambda count, generator: torch.arange(count))


@pytest.mark.parametrize(
    ("sha256", "shown", "judged"),
    [
        ("abcdef", [0, 1], [2, 3, 4, 5]),  # all different
        ("abacdb", [0, 1], [3, 4]),  # the second a and the second b are left out
        ("aaaaaa", [0, 1], [0, 1]),  # there are no others
    ],
)
def test_what_was_looked_at_judges_nothing(sha256: str, shown: list[int], judged: list[int]) -> None:
    (inputs, labels), (others, other_labels) = photos_apart(bench(sha256, 2), seed=0)
    assert labels.tolist() == inputs.flatten().tolist() == shown
    assert other_labels.tolist() == others.flatten().tolist() == judged
