"""Stored predictions, and how two networks differ on the same pictures, worked out by hand."""

import hashlib
from pathlib import Path

import pytest
import torch

from petiole.errors import GateError
from petiole.figure_records import Flip, shown
from petiole.predictions import PredictionFiles, flips, versus
from petiole.rundir import RunDir
from petiole.training.evaluate import Predictions

LABELS = torch.tensor([0, 0, 1, 1])
SURE, UNSURE = 4.0, 1.0
"""Logits of what is called, as against 0: probabilities 0.9820 and 0.7311."""


def predictions(called: list[int], logit: list[float]) -> Predictions:
    logits = torch.zeros(4, 2)
    logits[range(4), called] = torch.tensor(logit)
    return Predictions(logits=logits, labels=LABELS)


@pytest.fixture
def before(tmp_path: Path) -> PredictionFiles:
    """The parent calls the pictures 0 and 2 rightly."""
    files = PredictionFiles(RunDir(tmp_path), 0)
    path, checksum = files.store("Parent", "torch", predictions([0, 1, 1, 0], [SURE, SURE, UNSURE, UNSURE]))
    assert path == "predictions/Parent-seed0.json"
    assert checksum == hashlib.sha256((tmp_path / path).read_bytes()).hexdigest()
    return files


def test_flips_are_what_only_one_calls_rightly_surest_mistake_first(before: PredictionFiles) -> None:
    after = predictions([1, 1, 1, 1], [UNSURE, SURE, SURE, SURE])
    called = before.of("Parent", after)
    counts = versus(called, after)
    assert counts is not None
    assert (counts.lost, counts.gained, counts.mcnemar_p) == (1, 1, 1.0)
    found = flips(called, after, ("ants", "bees"))
    assert [(flip.picture, flip.truth, flip.before, flip.after, flip.is_gain) for flip in found] == [
        (0, "ants", "ants", "bees", False), (3, "bees", "ants", "bees", True),
    ]  # fmt: skip
    assert [(flip.before_p, flip.after_p) for flip in found] == [(0.982, 0.7311), (0.7311, 0.982)]


def test_without_a_parent_nothing_is_compared(before: PredictionFiles) -> None:
    after = predictions([0, 0, 1, 1], [SURE] * 4)
    assert before.of(None, after) is None
    assert versus(None, after) is None
    assert flips(None, after, ("ants", "bees")) == []


@pytest.mark.parametrize("labels", [[0, 1, 1], [1, 1, 0, 0], [0, 1, 0, 1]], ids=["fewer", "others", "another order"])
def test_networks_that_saw_different_pictures_are_not_compared(before: PredictionFiles, labels: list[int]) -> None:
    """A paired test pairs by place: the same number of pictures is not enough."""
    other = Predictions(logits=torch.zeros(len(labels), 2), labels=torch.tensor(labels))
    with pytest.raises(GateError, match="Parent was judged on different pictures"):
        before.of("Parent", other)


def test_of_many_flips_the_rarer_kind_is_shown_too() -> None:
    def flip(picture: int, gain: bool) -> Flip:
        return Flip(
            picture=picture, truth="ant", before="bee", before_p=0.9, after="ant" if gain else "bee", after_p=0.9
        )

    many = [flip(at, True) for at in range(20)] + [flip(20 + at, False) for at in range(8)]
    assert [each.picture for each in shown(many)] == [0, 1, 2, 3, 4, 5, 20, 21, 22, 23, 24, 25]
    few = [flip(at, True) for at in range(20)] + [flip(20, False)]
    assert [each.picture for each in shown(few)] == [*range(11), 20]
    alone = [flip(at, False) for at in range(20)]
    assert [each.picture for each in shown(alone)] == list(range(12))
    assert shown([]) == []


def test_of_very_many_flips_those_of_the_rarer_kind_are_recorded_too(tmp_path: Path) -> None:
    """300 lost with certainty, 3 gained: 200 and 3 are kept, in the order of how sure the mistakes were."""
    labels = torch.zeros(303, dtype=torch.long)
    called = torch.tensor([1] * 300 + [0] * 3)
    logits = torch.zeros(303, 2)
    logits[range(303), called] = torch.tensor([SURE] * 300 + [UNSURE] * 3)
    parent = {"predicted": 1 - called, "probability": torch.full((303,), 0.6), "right": called == 1, "labels": labels}
    found = flips(parent, Predictions(logits=logits, labels=labels), ["ant", "bee"])
    assert [flip.picture for flip in found] == [*range(200), 300, 301, 302]
