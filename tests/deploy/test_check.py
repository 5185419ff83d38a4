"""The inputs of an artifact's check: the same everywhere, and such that the answer depends on them."""

import numpy as np
import pytest
import torch

from petiole.deploy import check
from petiole.preprocessing import LITE


def test_inputs_are_the_same_everywhere() -> None:
    """The first byte of the raw stream of PCG64 with seed 0, worked out apart from the code."""
    drawn = check.draw(LITE, range(8))
    assert drawn.shape == (8, 3, 224, 224)
    byte = np.random.PCG64(0).random_raw() >> 56
    assert byte == 163
    assert drawn[0, 0, 0, 0] == pytest.approx((163 / 255 - 127 / 255) / (128 / 255), rel=1e-6)
    assert np.ptp(drawn[0, 0, :32, :32]) == 0  # one patch of seven along each side
    assert [len(np.unique(row)) for row in drawn[:3, 0, 0]] == [7, 1, 2]
    assert np.array_equal(drawn[[5, 2]], check.draw(LITE, [5, 2]))


def test_of_what_the_runtimes_agree_on_the_farthest_answers_are_chosen() -> None:
    """Answers on a line: 0, 1, 2 ... 63. The runtimes disagree on the upper half, so 0 to 31 are left: the one farthest
    from their mean (0, as far as 31, comes first), then 31, then the middle, and so on by halves."""
    first = torch.arange(64.0)[:, None]
    other = first + 0.5 * (first >= 32)
    assert check.choose([first, other])[:3] == [0, 31, 15]
    chosen = check.choose([first, other])
    assert len(set(chosen)) == 8
    assert max(chosen) == 31


def test_a_network_that_answers_all_alike_gets_eight_different_inputs() -> None:
    assert len(set(check.choose([torch.ones(64, 2)]))) == 8
