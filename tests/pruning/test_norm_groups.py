"""GroupNorm loses whole groups: what stays is normalized as before, worked out by hand."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from petiole.chain.channel_choice import inner
from petiole.errors import GateError, UserError
from petiole.pruning.channels import least_important
from petiole.pruning.structured import ChannelGroup, Dependencies, rebuild

EXAMPLE = torch.zeros(1, 3, 8, 8)


def chain(groups: int = 4) -> nn.Sequential:
    """conv (3 -> 8), GroupNorm in ``groups``, conv (8 -> 2), pooling, linear (2 -> 2)."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 1), nn.GroupNorm(groups, 8), nn.ReLU(), nn.Conv2d(8, 2, 1), nn.AdaptiveAvgPool2d(1)]
    network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(2, 2)).eval()
    nn.init.uniform_(network.get_parameter("1.weight"))
    return network


def first_of(network: nn.Module, *protected: str) -> ChannelGroup:
    found = Dependencies(network, EXAMPLE, protected=protected).groups
    return next(group for group in found if group.name == "0")


@pytest.mark.parametrize(("groups", "together"), [(1, 8), (2, 4), (4, 2), (8, 1)])
def test_as_many_leave_together_as_are_normalized_together(groups: int, together: int) -> None:
    group = first_of(chain(groups), "3", "6")
    assert (group.channels, group.tied) == (8, together)
    assert group.is_block is (together > 1)
    assert bool(inner([group])) is (together < 8)


@torch.no_grad()
def test_whole_groups_leave_and_the_others_answer_as_before() -> None:
    network, inputs = chain(), torch.randn(2, 3, 8, 8)
    original, masked = copy.deepcopy(network), copy.deepcopy(network)
    masked.get_parameter("3.weight")[:, [2, 3]] = 0.0
    plan = Dependencies(network, EXAMPLE, protected=["3", "6"]).remove({"0": [2, 3]})
    norm, stay = network.get_submodule("1"), [0, 1, 4, 5, 6, 7]
    assert isinstance(norm, nn.GroupNorm)
    assert (norm.num_groups, norm.num_channels) == (3, 6)
    assert torch.equal(norm.weight, original.get_parameter("1.weight")[stay])
    assert torch.equal(network.get_parameter("0.weight"), original.get_parameter("0.weight")[stay])
    assert torch.equal(network.get_parameter("3.weight"), original.get_parameter("3.weight")[:, stay])
    assert torch.allclose(network(inputs), masked(inputs), atol=1e-6)
    again = rebuild(original, EXAMPLE, plan)
    again.load_state_dict(network.state_dict())
    assert torch.equal(again(inputs), network(inputs))


@pytest.mark.parametrize("part", [[0], [1, 2], [0, 1, 2]])
def test_a_part_of_a_group_is_refused(part: list[int]) -> None:
    with pytest.raises(GateError, match=r"leave unevenly: .* and whole groups of a GroupNorm"):
        Dependencies(chain(), EXAMPLE, protected=["3", "6"]).remove({"0": part})
    with pytest.raises(UserError, match="loses channels unevenly in this network"):
        rebuild(chain(), EXAMPLE, [("0", part)])


def test_neighbours_leave_by_their_mean() -> None:
    """Means of neighbours 5, 4, 6, 9; of those four apart (0 and 4, 1 and 5, ...) 4.5, 8.5, 5, 6."""
    scores = {"0": torch.tensor([1.0, 9.0, 2.0, 6.0, 4.0, 8.0, 8.0, 10.0])}
    group = first_of(chain(), "3", "6")
    assert least_important([group], scores, {"0": 6}) == {"0": [2, 3]}
    assert least_important([group], scores, {"0": 4}) == {"0": [0, 1, 2, 3]}
    assert least_important([replace(group, is_block=False)], scores, {"0": 6}) == {"0": [0, 4]}


class Mixed(nn.Module):
    """A grouped convolution makes what is normalized in groups; a norm takes what two convolutions make."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.grouped, self.norm = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1, groups=2), nn.GroupNorm(4, 8)
        self.b, self.joined, self.out = nn.Conv2d(3, 8, 1), nn.GroupNorm(4, 16), nn.Linear(16, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """``(N, 2)``."""
        joined = self.joined(torch.cat([self.norm(self.grouped(self.a(images))), self.b(images)], 1))
        answers: torch.Tensor = self.out(joined.mean((2, 3)))
        return answers


def test_channels_of_both_kinds_and_of_a_part_of_a_norm_stay() -> None:
    found = {group.name: group for group in Dependencies(Mixed(), EXAMPLE, protected=["out"]).groups}
    assert {name: (group.tied, group.is_block) for name, group in found.items()} == {
        "a": (2, False), "grouped": (8, False), "b": (8, False),
    }  # fmt: skip
