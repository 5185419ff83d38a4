"""LeNet's channels leave until a quarter of its parameters is left, biases and all."""

import itertools

import pytest

from petiole.lab.lenet_structured import PARAMETERS_LEFT, weights_left
from petiole.models.lenet import LeNet


def test_whatever_counts_are_taken_no_more_parameters_are_left_than_may_be() -> None:
    """All counts in multiples of 4: ``a`` and ``b`` channels, ``c`` and ``d`` neurons."""
    weights, left = weights_left(LeNet())
    assert weights == {"conv1": 150, "conv2": 2_400, "fc1": 48_000, "fc2": 10_080, "fc3": 840}
    nearest = 0.0
    for a, b, c, d in itertools.product((4, 6), (4, 8, 12, 16), range(4, 124, 4), range(4, 88, 4)):
        kept = 25 * a + 25 * a * b + 25 * b * c + c * d + 10 * d
        if kept <= left * sum(weights.values()):
            nearest = max(nearest, (kept + a + b + c + d + 10) / 61_706)
    assert nearest <= PARAMETERS_LEFT
    assert nearest == pytest.approx(PARAMETERS_LEFT, abs=0.004), "and hardly fewer than may be"
