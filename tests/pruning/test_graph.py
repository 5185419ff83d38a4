"""Shuffled channels are told from those that can be followed, which leave."""

import pytest
import torch
from torch import nn

from petiole.errors import GateError, UserError
from petiole.models import backbones
from petiole.pruning import graph
from petiole.pruning.structured import Dependencies, rebuild

EXAMPLE = torch.zeros(1, 3, 64, 64)


class Shuffled(nn.Module):
    """conv (3 -> 8), a shuffle of two groups, conv (8 -> 6), conv (6 -> 4), linear."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c, self.out = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 6, 1), nn.Conv2d(6, 4, 1), nn.Linear(4, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """``(N, 2)``."""
        made = self.a(images)
        count, _, height, width = made.shape
        shuffled = made.view(count, 2, -1, height, width).transpose(1, 2).reshape(count, -1, height, width)
        answers: torch.Tensor = self.out(self.c(self.b(shuffled).relu()).mean((2, 3)))
        return answers


def test_only_channels_that_pass_a_shuffle_are_shuffled() -> None:
    groups = Dependencies(Shuffled(), EXAMPLE, protected=["out"]).groups
    assert {group.name: group.is_shuffled for group in groups} == {"a": True, "b": False, "c": False}


def test_shuffled_channels_stay_whole_by_hand_and_by_plan() -> None:
    network = Shuffled()
    with pytest.raises(GateError, match="channels of a are shuffled with others, so that none can leave"):
        Dependencies(network, EXAMPLE, protected=["out"]).remove({"a": [0, 4]})
    assert network.a.weight.shape[0] == 8
    with pytest.raises(UserError, match="the pruning plan does not fit: a loses channels unevenly"):
        rebuild(network, EXAMPLE, [("a", [0, 4])])
    Dependencies(network, EXAMPLE, protected=["out"]).remove({"b": [0, 3]})
    assert network.c.weight.shape[:2] == (4, 4)


def test_what_torch_pruning_cannot_follow_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without our rule for shuffles it divides by zero."""
    monkeypatch.setattr(graph, "_shuffle", lambda node: ())
    network = backbones.adapt(backbones.find("shufflenet_v2_x0_5"), None, classes=2, seed=0)
    for attempt in (lambda: Dependencies(network, EXAMPLE), lambda: rebuild(network, EXAMPLE, [("conv1.0", [0])])):
        with pytest.raises(GateError, match="this network's channels cannot be followed"):
            attempt()


def test_a_listing_of_groups_that_fails_is_told_in_a_sentence() -> None:
    """cs3darknet splits and joins so that torch-pruning adds up numbers that it does not know."""
    network = backbones.adapt(backbones.find("cs3darknet_focus_s"), None, classes=2, seed=0)
    with pytest.raises(GateError, match="this network's channels cannot be followed"):
        Dependencies(network, EXAMPLE)
