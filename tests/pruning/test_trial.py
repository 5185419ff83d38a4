"""Channels that torch-pruning follows wrongly stay whole, and the others leave."""

import copy

import pytest
import torch
from torch import nn

from halved import require_half
from petiole.bench.footprint import layer_macs
from petiole.errors import GateError
from petiole.models import backbones
from petiole.pruning import trial
from petiole.pruning.pruner import ChannelPruner
from petiole.pruning.structured import Dependencies, Removed
from petiole.pruning.trial import unfollowable

EXAMPLE = torch.zeros(1, 3, 8, 8)


class Standardized(nn.Conv2d):
    """Its weights are what they are less their mean: without an input the mean is another."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """``(N, C, H, W)``."""
        return nn.functional.conv2d(input, self.weight - self.weight.mean((1, 2, 3), keepdim=True), self.bias)


class Mixed(nn.Module):
    """``a``'s channels are split after the fourth, ``c`` has weights that are taken together, ``d`` is as usual; what
    ``c`` says is scaled."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.a, self.b, self.d = nn.Conv2d(3, 8, 1), nn.Conv2d(4, 6, 1), nn.Conv2d(4, 6, 1)
        self.c, self.e, self.out = Standardized(6, 5, 1), nn.Conv2d(6, 5, 1), nn.Linear(5, 2)
        self.scale = nn.Parameter(torch.full((5,), scale))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """``(N, 2)``."""
        first, second = self.a(images).split(4, 1)
        c, e = self.c(self.b(first).relu()).mean((2, 3)), self.e(self.d(second).relu()).mean((2, 3))
        answers: torch.Tensor = self.out(c * self.scale + e)
        return answers


@pytest.mark.parametrize("scale", [1.0, 0.0], ids=["shown", "hidden"])
def test_what_is_split_at_a_fixed_place_or_standardized_stays(scale: float) -> None:
    """Also where a scale of zero hides it, as that of blocks that are about to be trained."""
    network = Mixed(scale)
    before = copy.deepcopy(network.state_dict())
    dependencies = Dependencies(network, EXAMPLE, protected=["c", "e", "out"])
    groups = dependencies.groups
    assert {group.name for group in groups} == {"a", "b", "d"}
    assert set(unfollowable(dependencies, groups)) == {"a", "b"}
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items()), "only tried"


def test_the_rest_is_pruned_and_what_stays_is_named() -> None:
    network = Mixed()
    pruner = ChannelPruner(
        network, EXAMPLE, protected=["c", "e", "out"], choose=tuple, keep=lambda *_: {"d": 4},
        score=lambda dependencies, groups: {"d": torch.arange(6.0)},
    )  # fmt: skip
    assert sorted(pruner.kept) == ["a", "b"]
    pruner.prune(1.0)
    pruner.finish()
    assert pruner.plan == [("d", [0, 1])]
    assert (network.a.weight.shape[0], network.d.weight.shape[0], network.e.weight.shape[1]) == (8, 4, 4)


def test_a_network_of_which_nothing_can_be_followed_is_refused_before_any_cut() -> None:
    network = Mixed()
    with pytest.raises(GateError, match=r"could leave and change nothing else: .* \(such as a\)"):
        ChannelPruner(
            network, EXAMPLE, protected=["c", "d", "e", "out"], choose=tuple, keep=lambda *_: {}, score=lambda *_: {}
        )
    assert network.a.weight.shape[0] == 8


def test_channels_that_can_leave_only_apart_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Halves leave, and not the whole."""

    def can_leave(dependencies: Dependencies, network: nn.Module, removed: Removed) -> bool:
        return len(removed) < 3

    monkeypatch.setattr(trial, "_can_leave", can_leave)
    dependencies = Dependencies(Mixed(), EXAMPLE, protected=["c", "e", "out"])
    with pytest.raises(GateError, match=r"channels of . and other layers cannot leave together"):
        unfollowable(dependencies, dependencies.groups)


def test_a_cut_that_is_wrong_leaves_the_network_whole() -> None:
    """Without its first channel the split after the fourth is another, where all still fits together."""
    network = Mixed()
    with pytest.raises(GateError, match="answers otherwise than with them"):
        Dependencies(network, EXAMPLE, protected=["c", "e", "out"]).remove({"a": [0]})
    with pytest.raises(GateError, match="layers no longer fit together"):
        Dependencies(network, EXAMPLE, protected=["c", "e", "out"]).remove({"a": [4]})
    assert (network.a.weight.shape[0], network.b.weight.shape[1]) == (8, 4)
    network(EXAMPLE)


@pytest.mark.parametrize(
    ("name", "output", "kept"),
    [("resnet50_gn", "fc", 0), ("shufflenet_v2_x0_5", "fc", 13), ("repvgg_a0", "head.fc", 0),
     ("cspresnet50", "head.fc", 4), ("squeezenet1_1", "classifier.1", 0)],
)  # fmt: skip
def test_half_of_the_macs_leave_and_training_goes_on(name: str, output: str, kept: int) -> None:
    """The last one has a convolution as output layer, which is protected like a linear one."""
    backbone = backbones.find(name).at(64)
    shape = backbone.preprocessing.input_shape
    torch.manual_seed(0)
    network = backbone.build().eval()
    pruner = require_half(network, shape, output=output, first=next(iter(layer_macs(network, shape))))
    assert len(pruner.kept) == kept
