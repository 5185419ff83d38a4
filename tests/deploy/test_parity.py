"""Parity between a network and its file, on logits made up for each case."""

import pytest
import torch

from petiole.deploy.parity import AccuracyError, parity_flips, require_parity, unexplained
from petiole.errors import GateError

THERE = torch.eye(2).repeat(100, 1)
"""Two hundred pictures in turn of class 0 and 1, each sure by 1, a spread of 0.5."""
LABELS = torch.arange(200) % 2


def changed(*pictures: int, logits: torch.Tensor = THERE) -> torch.Tensor:
    here = logits.clone()
    here[list(pictures)] = here[list(pictures)].flip(1)
    return here


def test_one_picture_may_be_called_differently_and_no_more() -> None:
    assert require_parity(THERE, changed(3), LABELS, int8=True, name="x")[0] == 1
    assert parity_flips(THERE, changed(3, 4)) == 2
    with pytest.raises(GateError, match="2 of 200 pictures differently"):
        require_parity(THERE, changed(3, 4), LABELS, int8=True, name="x")


def test_one_in_a_thousand_of_many() -> None:
    many, labels = THERE.repeat(20, 1), LABELS.repeat(20)
    assert require_parity(many, changed(0, 1, 2, 3, logits=many), labels, int8=True, name="x")[0] == 4
    with pytest.raises(GateError, match="5 of 4000"):
        require_parity(many, changed(0, 1, 2, 3, 4, logits=many), labels, int8=True, name="x")


def test_pictures_on_the_fence_may_fall_either_way_but_not_all_the_same_way() -> None:
    """Pictures 0 to 5 are sure by 0.05 only, and rounding may move logits by 0.1 of the spread of 0.5. Better than the
    network is not the network either."""
    unsure = THERE.clone()
    unsure[:6] = 0.5 + 0.05 * (unsure[:6] - 0.5)
    right = LABELS.clone()
    right[[0, 2]] = 1  # the network is wrong about two of them: falling over, they become right
    assert require_parity(unsure, changed(0, 1, 2, 3, logits=unsure), right, int8=True, name="x")[0] == 4
    wrong = LABELS.clone()
    wrong[[0, 2, 4]] = 1
    with pytest.raises(AccuracyError, match="classifies 200 of 200 pictures correctly, the network 197"):
        require_parity(unsure, changed(0, 2, 4, logits=unsure), wrong, int8=True, name="x")
    with pytest.raises(AccuracyError, match="classifies 197 of 200 pictures correctly, the network 200"):
        require_parity(unsure, changed(1, 3, 5, logits=unsure), LABELS, int8=True, name="x")


def test_logits_must_agree() -> None:
    shifted = THERE + 0.05 * THERE.std()
    assert require_parity(THERE, shifted, LABELS, int8=True, name="x")[0] == 0
    with pytest.raises(GateError, match=r"differ from the network's by 0\.05 of their spread on average, and 0\.001"):
        require_parity(THERE, shifted, LABELS, int8=False, name="x")
    with pytest.raises(GateError, match="logits of the exported x differ"):
        require_parity(THERE, THERE * torch.nan, LABELS, int8=True, name="x")


def test_one_answer_for_all_is_as_far_as_can_be_and_a_common_offset_does_not_hide_it() -> None:
    """Logits 99.9 and 100.1 in turns: their mean explains nothing, however large they are."""
    answers = 100 + 0.1 * torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
    assert unexplained(answers, answers) == 0
    assert unexplained(answers, torch.full((2, 2), 100.0)) == pytest.approx(1, rel=1e-4)
    assert unexplained(answers, answers + 0.05) == pytest.approx(0.5, rel=1e-3)
    assert unexplained(torch.ones(2, 2), torch.ones(2, 2)) == 0
