"""Grouped convolutions lose the same places in each of their groups: what stays is what was worked out by hand."""

import copy

import pytest
import torch
from torch import nn

from halved import require_half
from petiole.chain.channel_choice import inner
from petiole.errors import GateError, UserError
from petiole.models import backbones
from petiole.pruning.channels import remaining
from petiole.pruning.choices import Importance
from petiole.pruning.contribution import contributions
from petiole.pruning.grouped import mask_inputs
from petiole.pruning.pruner import ChannelPruner
from petiole.pruning.refit import refit
from petiole.pruning.structured import ChannelGroup, Dependencies, rebuild

EXAMPLE = torch.zeros(1, 3, 8, 8)
EVEN = {"0": [0, 2], "3": [1, 4]}
"""The first place of each group's inputs, the second of its outputs."""
MACS = {"0": 40, "3": 240, "5": 60}


def chain() -> nn.Sequential:
    """conv (3 -> 4), BatchNorm, grouped conv (4 -> 6, two groups: 0, 1 -> 0, 1, 2 and 2, 3 -> 3, 4, 5), conv (6 -> 2),
    pooling, linear (2 -> 2)."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 6, 3, groups=2), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(6, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2)).eval()


def dependencies_of(network: nn.Module) -> Dependencies:
    return Dependencies(network, EXAMPLE, protected=["5", "8"])


def test_groups_know_how_many_leave_together() -> None:
    groups = {group.name: group for group in dependencies_of(chain()).groups}
    first, grouped = groups["0"], groups["3"]
    assert (first.makers, first.users, first.channels, first.tied) == (("0",), ("3",), 4, 2)
    assert (grouped.makers, grouped.users, grouped.channels, grouped.tied) == (("3",), ("5",), 6, 2)
    assert (first.of_inputs, grouped.of_outputs) == ({"3": 1.0}, {"3": 1.0})
    assert inner([first, grouped]) == (first, grouped)


@torch.no_grad()
def test_the_same_places_leave_each_group() -> None:
    network, inputs = chain(), torch.randn(2, 3, 8, 8)
    original, masked = copy.deepcopy(network), copy.deepcopy(network)
    dependencies = dependencies_of(network)
    masks = dependencies.user_masks(EVEN)
    assert masks["3.weight"][:, :, 0, 0].tolist() == [[False, True]] * 6
    for key, mask in masks.items():
        masked.get_parameter(key).masked_fill_(~mask, 0.0)
    plan = dependencies.remove(EVEN)
    assert plan == [("0", [0, 2]), ("3", [1, 4])]
    first, grouped, last = (network.get_submodule(name) for name in "035")
    assert isinstance(grouped, nn.Conv2d)
    assert (grouped.in_channels, grouped.out_channels, grouped.groups) == (2, 4, 2)
    assert torch.equal(first.get_parameter("weight"), original.get_parameter("0.weight")[[1, 3]])
    assert torch.equal(grouped.weight, original.get_parameter("3.weight")[[0, 2, 3, 5]][:, [1]])
    assert torch.equal(last.get_parameter("weight"), original.get_parameter("5.weight")[:, [0, 2, 3, 5]])
    assert torch.allclose(network(inputs), masked(inputs), atol=1e-6)
    again = rebuild(original, EXAMPLE, plan)
    again.load_state_dict(network.state_dict())
    assert torch.equal(again(inputs), network(inputs))


def test_a_mask_meets_an_input_in_the_rows_of_its_group() -> None:
    mask = torch.ones(6, 2, 3, 3, dtype=torch.bool)
    mask_inputs(mask, nn.Conv2d(4, 6, 3, groups=2), [3])
    assert mask[:, :, 0, 0].tolist() == [[True, True]] * 3 + [[True, False]] * 3
    assert torch.equal(mask, mask[:, :, :1, :1].expand_as(mask))


def test_costs_fall_with_inputs_and_outputs() -> None:
    """Half of 40; of 240 half the inputs and two thirds of the outputs; two thirds of 60."""
    dependencies = dependencies_of(chain())
    assert dependencies.costs_left(EVEN, MACS) == pytest.approx(20 + 80 + 40)
    assert remaining(dependencies.groups, {"0": 2, "3": 4}, MACS) == pytest.approx(20 + 80 + 40)
    assert dependencies.emptied(EVEN) is None
    assert dependencies.emptied({"0": [0, 1, 2, 3]}) == "0"


@pytest.mark.parametrize("uneven", [{"0": [0, 1]}, {"0": [0]}, {"3": [0, 4]}])
def test_other_places_of_other_groups_are_refused(uneven: dict[str, list[int]]) -> None:
    with pytest.raises(GateError, match="leave unevenly: give those at the same place of each convolution group"):
        dependencies_of(chain()).remove(uneven)
    with pytest.raises(UserError, match="loses channels unevenly in this network"):
        rebuild(chain(), EXAMPLE, list(uneven.items()))


@pytest.mark.parametrize("importance", ["l1", "l2", "bn_scale", "taylor", "random"])
def test_channels_leave_by_the_mean_of_what_is_tied(importance: Importance) -> None:
    """Channel 1 alone says least, 1 and 3 together more than 0 and 2."""
    network = chain()
    with torch.no_grad():
        for channel, factor in enumerate((0.1, 0.01, 0.1, 10.0)):
            for key in ("0.weight", "1.weight"):
                network.get_parameter(key)[channel] = factor
        network.get_parameter("3.weight").fill_(0.01)
    network(torch.randn(4, 3, 8, 8)).square().sum().backward()
    dependencies = Dependencies(network, EXAMPLE, protected=["3", "5", "8"])
    pruner = ChannelPruner(
        network, EXAMPLE, protected=["3", "5", "8"], choose=inner, keep=lambda *_: {"0": 2},
        score=lambda dependencies, groups: dependencies.scores(importance, groups, seed=1),
    )  # fmt: skip
    assert len(dependencies.scores(importance)["0"]) == 4
    pruner.prune(1.0)
    assert pruner.removed["0"] in ([[0, 2]] if importance != "random" else [[0, 2], [1, 3]])


def test_contributions_are_those_to_the_outputs_of_their_group() -> None:
    """All inputs have variance 1; weights 1, 2 make the first output and 3, 4 the second: 1, 4, 9, 16, over 7.5."""
    layer = nn.Conv2d(4, 2, 1, groups=2, bias=False)
    layer.weight.data = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).view(2, 2, 1, 1)
    inputs = torch.tensor([[0.0] * 4, [2.0] * 4]).view(2, 4, 1, 1)
    group = ChannelGroup(name="g", channels=4, makers=("g",), users=("0",), tied=2)
    found = contributions(nn.Sequential(layer), [group], inputs)["g"]
    assert found.tolist() == pytest.approx([1 / 7.5, 4 / 7.5, 9 / 7.5, 16 / 7.5])


@torch.no_grad()
def test_a_duplicate_at_another_place_takes_over() -> None:
    """Inputs 0 and 1 of each group are the same: without the first ones the second ones' weights double."""
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 6, 1, groups=2), nn.Flatten()).eval()
    first, grouped = (network.get_parameter(f"{name}.weight") for name in "02")
    first[[1, 3]], network.get_parameter("0.bias")[[1, 3]] = first[[0, 2]], network.get_parameter("0.bias")[[0, 2]]
    grouped[:, 0] = grouped[:, 1]
    inputs, unpruned = torch.randn(16, 3, 4, 4), copy.deepcopy(network)
    masks = Dependencies(network, inputs[:1]).user_masks({"0": [0, 2]})
    grouped[:, 0] = 0.0
    (refitted,) = refit(network, unpruned, masks, inputs)
    assert refitted.error_after < 1e-3 < refitted.error_before
    assert torch.allclose(grouped[:, 1], 2 * unpruned.get_parameter("2.weight")[:, 1], rtol=0.05, atol=1e-3)
    assert not bool(grouped[:, 0].any())


class Forks(nn.Module):
    """Two grouped convolutions take 12 channels in, in two and in three groups; a third takes what is joined of them
    and of another convolution; a fourth makes two outputs of each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 12, 1), nn.Conv2d(3, 4, 1)
        self.two, self.three = nn.Conv2d(12, 6, 1, groups=2), nn.Conv2d(12, 6, 1, groups=3)
        self.joined, self.doubled = nn.Conv2d(16, 8, 1, groups=4), nn.Conv2d(8, 16, 1, groups=8)
        self.out = nn.Linear(16, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """``(N, 2)``."""
        a, b = self.a(images), self.b(images)
        doubled = self.doubled(self.joined(torch.cat([self.two(a), self.three(a), b], 1)))
        answers: torch.Tensor = self.out(doubled.mean((2, 3)))
        return answers


def test_what_is_tied_by_several_and_what_cannot_leave() -> None:
    """Of a, 6 leave together (the least common multiple); of what is joined none can leave, nor can the only input of
    each group."""
    groups = {group.name: group for group in Dependencies(Forks(), EXAMPLE, protected=["out"]).groups}
    assert groups["a"].tied == 6
    whole = {"b": 4, "two": 6, "three": 6, "joined": 8}
    assert {name: groups[name].tied for name in whole} == whole
    assert groups["doubled"].tied == 8
    assert {group.name for group in inner(tuple(groups.values()))} == {"a", "doubled"}
    dependencies = Dependencies(Forks(), EXAMPLE, protected=["out"])
    dependencies.remove({"a": [1, 3, 5, 7, 9, 11], "doubled": list(range(0, 16, 2))})
    assert dependencies.network.get_parameter("two.weight").shape == (6, 3, 1, 1)
    assert dependencies.network.get_parameter("three.weight").shape == (6, 2, 1, 1)


def test_what_torch_pruning_takes_for_depthwise_and_is_not_keeps_its_inputs() -> None:
    """As many groups as outputs, each of two inputs."""
    network = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 4, 1, groups=4), nn.Flatten(), nn.Linear(256, 2))
    groups = Dependencies(network, EXAMPLE, protected=["3"]).groups
    assert groups
    assert not inner(groups)


@pytest.mark.parametrize("name", ["regnetx_002", "regnety_002"])
def test_regnet_loses_half_of_its_macs_and_goes_on_training(name: str) -> None:
    """The second one weighs the channels that its grouped convolutions make (squeeze and excitation)."""
    backbone = backbones.find(name).at(64)
    shape = backbone.preprocessing.input_shape
    network = backbones.adapt(backbone, None, classes=2, seed=0).eval()
    output, _ = backbones.output_layer(network)
    pruner = require_half(network, shape, output=output, first="stem.conv")
    assert {group.tied for group in pruner.groups if any("conv2" in maker for maker in group.makers)} == {3, 7, 19, 46}
