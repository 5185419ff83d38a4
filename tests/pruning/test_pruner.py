"""Pruning step by step: what has gone stays gone, and masked channels that leave change nothing."""

import copy
from functools import partial

import pytest
import torch
from torch import nn

from multiplied import Multiplied
from petiole.bench.footprint import layer_macs
from petiole.chain.channel_choice import behind_first, share_of_costs
from petiole.errors import GateError
from petiole.models import backbones
from petiole.pruning.channels import UnreachableError, keep_counts
from petiole.pruning.pruner import ChannelPruner, MaskPruner
from petiole.pruning.structured import ChannelGroup
from petiole.pruning.unstructured import Method

EXAMPLE = torch.zeros(1, 3, 8, 8)


def network() -> nn.Sequential:
    """conv (3 -> 8), BatchNorm, conv (8 -> 6), pooling, linear (6 -> 2)."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.AdaptiveAvgPool2d(1)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(6, 2)).eval()


def channel_pruner(pruned: nn.Module) -> ChannelPruner:
    def keep(groups: list[ChannelGroup], scores: dict[str, torch.Tensor], share: float) -> dict[str, int]:
        return keep_counts(groups, scores, 0.5 * share, multiple=1)

    return ChannelPruner(
        pruned, EXAMPLE, protected=["6"], choose=tuple, keep=keep,  # type: ignore[arg-type]
        score=lambda dependencies, groups: dependencies.scores("l1", groups),
    )  # fmt: skip


@pytest.mark.parametrize("method", ["random", "magnitude"])
def test_masks_grow(method: Method) -> None:
    pruner = MaskPruner(network=network(), amount=0.5, method=method, scope="global", seed=3)
    first = pruner.prune(0.4)
    assert pruner.require() == pytest.approx(0.2, abs=0.01)
    second = pruner.prune(1.0)
    assert pruner.require() == pytest.approx(0.5, abs=0.01)
    for name, mask in first.items():
        assert not bool((second[name] & ~mask).any()), f"weights of {name} came back"


def test_the_last_step_takes_what_one_step_would_have_taken() -> None:
    """So that a network and its retrained form have the same weights at zero."""
    gradual, at_once = (
        MaskPruner(network=network(), amount=0.5, method="random", scope="global", seed=1) for _ in "ab"
    )
    gradual.prune(0.875)
    after, expected = gradual.prune(1.0), at_once.prune(1.0)
    assert all(torch.equal(after[name], expected[name]) for name in expected)


def test_channels_are_masked_step_by_step_and_leave_at_the_end() -> None:
    pruner, inputs = channel_pruner(network()), torch.randn(2, 3, 8, 8)
    pruner.prune(0.5)
    first = copy.deepcopy(pruner.removed)
    assert {name: len(channels) for name, channels in first.items()} == {"0": 2, "3": 2}
    with torch.no_grad():  # what left first would now be the most important
        for name, channels in first.items():
            pruner.network.get_parameter(f"{name}.weight")[channels] += 100.0
    pruner.prune(1.0)
    for name, channels in first.items():
        assert set(channels) < set(pruner.removed[name])
    masked = pruner.network(inputs)
    pruner.finish()
    assert {name: len(channels) for name, channels in pruner.plan} == {"0": 4, "3": 3}
    assert pruner.network.get_parameter("3.weight").shape == (3, 4, 3, 3)
    assert torch.allclose(pruner.network(inputs), masked, atol=1e-4)


def test_channels_stay_gone_where_a_later_step_asks_for_fewer() -> None:
    """Rounded counts may rise again: of layer 0 the second step would give two of its four channels back."""
    stay = {0.5: {"0": 4, "3": 6}, 1.0: {"0": 6, "3": 4}}
    pruner = ChannelPruner(
        network(), EXAMPLE, protected=["6"], choose=tuple, keep=lambda groups, scores, share: stay[share],
        score=lambda dependencies, groups: dependencies.scores("l1", groups),
    )  # fmt: skip
    pruner.prune(0.5)
    first = set(pruner.removed["0"])
    pruner.prune(1.0)
    assert set(pruner.removed["0"]) == first
    assert len(first) == 4
    assert len(pruner.removed["3"]) == 2


def test_a_weight_behind_a_removed_channel_that_comes_back_is_caught() -> None:
    pruner = channel_pruner(network())
    pruner.prune(1.0)
    pruner.require()
    with torch.no_grad():
        pruner.network.get_parameter("3.weight").add_(1.0)
    with pytest.raises(GateError, match=r"weights of 3\.weight behind removed channels are no longer zero"):
        pruner.require()
    pruner.hold()
    pruner.require()


def test_a_network_without_groups_is_refused() -> None:
    build = partial(ChannelPruner, network(), EXAMPLE, score=lambda *_: {}, keep=lambda *_: {})
    with pytest.raises(GateError, match="no layer has channels that could leave"):
        build(protected=["0", "3", "6"], choose=tuple)


def test_fewer_leave_where_a_layer_would_lose_all() -> None:
    """Channels 0 and 4, 1 and 5 and so on leave together: the four least important ones are the whole layer."""
    pruner = ChannelPruner(
        Multiplied(), EXAMPLE, protected=["out"], choose=tuple, costs={"a": 80, "out": 40},
        score=lambda dependencies, groups: {"a": torch.arange(8.0)},
        keep=lambda groups, scores, share: keep_counts(groups, scores, 0.5 * share, multiple=1),
    )  # fmt: skip
    pruner.prune(1.0)
    assert pruner.removed["a"] in ([0, 1], [0, 1, 2]), "of the half that was asked for all fall"
    pruner.finish()


@pytest.mark.parametrize(("asked", "told"), [(0.1, "0.25"), (0.3, "")])
def test_what_can_be_reached_is_counted_where_channels_fall_together(asked: float, told: str) -> None:
    """By the channels alone 5 of 8 outputs would be left of the least; really it is 1 of 4."""
    costs = {"a": 80, "out": 40}
    pruner = ChannelPruner(
        Multiplied(), EXAMPLE, protected=["out"], choose=tuple, costs=costs,
        score=lambda dependencies, groups: {"a": torch.arange(8.0)},
        keep=share_of_costs(costs, asked, "uniform", multiple=1),
    )  # fmt: skip
    if told:
        with pytest.raises(UnreachableError, match=f"with the fewest channels {told} is left"):
            pruner.prune(1.0)
    else:
        pruner.prune(1.0)
        assert pruner.dependencies.costs_left(pruner.removed, costs) == 0.25 * 120


@pytest.mark.parametrize("left", [0.7, 0.5])
def test_a_share_is_kept_by_really_counting_where_tensors_are_used_twice(left: float) -> None:
    """GhostNet joins what a convolution makes with what a second one makes of it: their channels fall in pairs."""
    ghost, example = backbones.adapt(backbones.find("ghostnet_100"), None, classes=2, seed=0), torch.zeros(1, 3, 64, 64)
    costs = layer_macs(ghost, (3, 64, 64))
    pruner = ChannelPruner(
        ghost, example, protected=["classifier"], choose=partial(behind_first, first="conv_stem"),
        score=lambda dependencies, groups: dependencies.scores("l1", groups), costs=costs,
        keep=share_of_costs(costs, left, "uniform", multiple=4),
    )  # fmt: skip
    pruner.prune(1.0)
    told = pruner.dependencies.costs_left(pruner.removed, costs)
    pruner.finish()
    counted = sum(layer_macs(ghost, (3, 64, 64)).values())
    assert counted == pytest.approx(told)
    assert left - 0.05 < counted / sum(costs.values()) <= left


class Normalized(nn.Module):
    """Channels are divided by how much all of them say: a masked one still counts, one that has left does not."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.norm, self.out = nn.Conv2d(3, 8, 1), nn.LayerNorm(8), nn.Linear(8, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        answers: torch.Tensor = self.out(self.norm(self.a(images).mean((2, 3))))
        return answers


def test_a_network_that_answers_otherwise_without_its_masked_channels_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the trial had not told that these channels cannot be followed."""
    monkeypatch.setattr("petiole.pruning.pruner.unfollowable", lambda dependencies, groups: ())
    pruner = ChannelPruner(
        Normalized(), torch.ones(1, 3, 8, 8), protected=["out"], choose=tuple,
        keep=lambda groups, scores, share: {"a": 4}, score=lambda dependencies, groups: {"a": torch.arange(8.0)},
    )  # fmt: skip
    pruner.prune(1.0)
    with pytest.raises(GateError, match=r"answers otherwise than with them \(\d+\.\d% off\)"):
        pruner.finish()
