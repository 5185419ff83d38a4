"""Sensitivities of a network whose answers are worked out by hand."""

import pytest
import torch
from torch import nn

from petiole.pruning.sensitivity import of_channels, of_weights
from petiole.pruning.structured import Dependencies


class Sum(nn.Module):
    """Four channels, the numbers 1, 2, 3, 4 times the picture's mean, summed with weight 1."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.out = nn.Conv2d(1, 4, 1, bias=False), nn.Linear(4, 1, bias=False)
        with torch.no_grad():
            self.conv.weight.copy_(torch.arange(1.0, 5.0).view(4, 1, 1, 1))
            self.out.weight.fill_(1.0)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """``(N, 1)``."""
        summed: torch.Tensor = self.out(self.conv(images).mean((2, 3)))
        return summed


def value(network: nn.Module) -> tuple[int, float]:
    """What the network gives for a picture of ones: 10 when it is whole."""
    with torch.no_grad():
        return 1, float(network(torch.ones(1, 1, 2, 2)))


def test_each_group_alone_loses_its_least_channels() -> None:
    network = Sum()
    dependencies = Dependencies(network, torch.ones(1, 1, 2, 2), protected=["out"])
    scores = {"conv": torch.arange(4.0)}
    found = list(of_channels(dependencies, dependencies.groups, scores, (0.5, 0.25), value, multiple=1))
    assert [(one.asked, one.removed, one.of, one.loss) for one in found] == [(0.25, 1, 4, 9.0), (0.5, 2, 4, 7.0)]
    assert value(network)[1] == 10.0, "the network itself stays whole"


def test_a_group_that_could_lose_nothing_is_told_apart_from_one_that_does_not_matter() -> None:
    dependencies = Dependencies(Sum(), torch.ones(1, 1, 2, 2), protected=["out"])
    found = list(of_channels(dependencies, dependencies.groups, {"conv": torch.arange(4.0)}, (0.5,), value, multiple=8))
    assert [(one.removed, one.loss) for one in found] == [(0, 10.0)]


def test_counts_that_rounding_makes_equal_are_judged_once() -> None:
    dependencies = Dependencies(Sum(), torch.ones(1, 1, 2, 2), protected=["out"])
    scores = {"conv": torch.arange(4.0)}
    found = list(of_channels(dependencies, dependencies.groups, scores, (0.4, 0.5, 0.6), value, multiple=2))
    assert [(one.asked, one.removed) for one in found] == [(0.4, 2)]


def test_the_smallest_weights_of_each_layer() -> None:
    found = {(one.name, one.asked): one.loss for one in of_weights(Sum(), (0.25, 0.5), value)}
    assert found[("conv", 0.25)] == pytest.approx(9.0)
    assert found[("conv", 0.5)] == pytest.approx(7.0)
    assert found[("out", 0.25)] in (6.0, 7.0, 8.0, 9.0), "all weights are alike: any one goes"
