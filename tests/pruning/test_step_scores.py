"""Scores in later steps: what goes into filters that left counts no more, and groups stay comparable."""

from collections.abc import Sequence

import pytest
import torch
from torch import nn

from petiole.errors import GateError, UserError
from petiole.pruning.channels import keep_counts
from petiole.pruning.contribution import contributions
from petiole.pruning.pruner import ChannelPruner
from petiole.pruning.structured import ChannelGroup, Dependencies

EXAMPLE = torch.zeros(1, 3, 8, 8)
MATTER = {"0": torch.tensor([1.0, 2, 3, 4, 5, 6, 7, 20]), "2": torch.tensor([1.0, 1, 1, 1, 1, 7])}


def network() -> nn.Sequential:
    """conv (3 -> 8), conv (8 -> 6), linear (6 -> 2)."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(6, 2)).eval()


def fixed(dependencies: Dependencies, groups: Sequence[ChannelGroup]) -> dict[str, torch.Tensor]:
    """``MATTER``, of mean 1, but 0 for channels that nothing takes in."""
    found = {}
    for group in groups:
        (user,) = group.users
        weight = dependencies.network.get_submodule(user).get_parameter("weight").detach()
        score = MATTER[group.name] * weight.movedim(1, 0).flatten(1).any(1)
        found[group.name] = score / score.mean()
    return found


def contributed(dependencies: Dependencies, groups: Sequence[ChannelGroup]) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return contributions(dependencies.network, groups, torch.rand(4, 3, 8, 8))


def pruner(score: object, most: float) -> ChannelPruner:
    def keep(groups: list[ChannelGroup], scores: dict[str, torch.Tensor], share: float) -> dict[str, int]:
        return keep_counts(groups, scores, most * share, spread="global", multiple=1)

    return ChannelPruner(
        network(), EXAMPLE, protected=["5"], choose=tuple, keep=keep, score=score  # type: ignore[arg-type]
    )  # fmt: skip


def test_two_steps_take_what_one_would_where_nothing_is_trained() -> None:
    """Means 6 and 2: of all 14 the least are 1/6, 2/6, 3/6 and five times 1/2. Were the means made 1 without what has
    left, those of the second layer would come to 1 while 4/6 of the first is still there."""
    steps, at_once = pruner(fixed, 9 / 14), pruner(fixed, 9 / 14)
    for share in (0.4, 0.7, 1.0):
        steps.prune(share)
    at_once.prune(1.0)
    assert steps.removed == at_once.removed == {"0": [0, 1, 2, 3], "2": [0, 1, 2, 3, 4]}


def test_what_goes_into_filters_that_left_counts_no_more() -> None:
    """Twice as much for each channel of the first layer as goes into the filters of the second one that stay."""
    stepped = pruner(contributed, 0.5)
    stepped.prune(0.6)
    gone, left = stepped.removed["2"], [at for at in range(8) if at not in stepped.removed.get("0", [])]
    assert gone
    weight = stepped.network.get_submodule("2").get_parameter("weight")
    before = weight.detach().clone()
    scores = stepped.scores()["0"]
    assert torch.equal(weight, before)
    torch.manual_seed(1)
    outputs = stepped.network[:2](torch.rand(4, 3, 8, 8)).detach()  # type: ignore[index]
    stay = [at for at in range(6) if at not in gone]
    by_hand = outputs.movedim(1, 0).flatten(1).var(1, correction=0) * before[stay].square().sum((0, 2, 3))
    assert torch.allclose(scores[left] / scores[left].sum(), by_hand[left] / by_hand[left].sum(), atol=1e-5)


def test_a_pruner_that_is_finished_is_done_with() -> None:
    done = pruner(contributed, 0.5)
    for share in (0.0, 1.5):
        with pytest.raises(UserError, match="is not above 0 and at most 1"):
            done.prune(share)
    done.prune(1.0)
    done.finish()
    for again in (lambda: done.prune(1.0), done.finish):
        with pytest.raises(GateError, match="the channels have left this network"):
            again()
