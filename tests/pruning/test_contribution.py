"""Contributions against products worked out by hand."""

import pytest
import torch
from torch import nn

from petiole.pruning.contribution import contributions
from petiole.pruning.structured import ChannelGroup


def group(channels: int, *users: str) -> ChannelGroup:
    return ChannelGroup(name="g", channels=channels, makers=("g",), users=users)


def test_variance_times_squared_weights() -> None:
    """Channel 0 is 1 or 3 (variance 1), channel 1 always 5 (0), channel 2 is 0 or 4 (4); weights 2, 9, 1 and 0, 9, 1.

    1 * (4 + 0), 0, 4 * (1 + 1): 4, 0, 8, and a third of that for a mean of 1 ... over 12: 1, 0, 2.
    """
    layer = nn.Conv2d(3, 2, 1, bias=False)
    layer.weight.data = torch.tensor([[2.0, 9.0, 1.0], [0.0, 9.0, 1.0]]).view(2, 3, 1, 1)
    inputs = torch.tensor([[1.0, 5.0, 0.0], [3.0, 5.0, 4.0]]).view(2, 3, 1, 1)
    found = contributions(nn.Sequential(layer), [group(3, "0")], inputs)
    assert found["g"].tolist() == pytest.approx([1.0, 0.0, 2.0])


def test_a_flattened_channel_counts_all_its_numbers() -> None:
    """Two channels of two numbers: the first varies in one of them, the second in both; all weights are 1."""
    network = nn.Sequential(nn.Identity(), nn.Flatten(), nn.Linear(4, 1))
    network.get_parameter("2.weight").data.fill_(1.0)
    inputs = torch.tensor([[[[0.0, 1.0]], [[0.0, 0.0]]], [[[2.0, 1.0]], [[2.0, 2.0]]]])  # (2, 2, 1, 2)
    found = contributions(network, [group(2, "2")], inputs, batch_images=1)
    assert found["g"].tolist() == pytest.approx([2 / 3, 4 / 3])


def test_users_count_alike() -> None:
    """The second user has a hundred times the weights and wants the other channel: both channels matter the same."""

    class Fork(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.small, self.large = nn.Linear(2, 1), nn.Linear(2, 1)
            self.small.weight.data = torch.tensor([[1.0, 0.0]])
            self.large.weight.data = torch.tensor([[0.0, 100.0]])

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = self.small(inputs) + self.large(inputs)
            return result

    inputs = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    assert contributions(Fork(), [group(2, "small", "large")], inputs)["g"].tolist() == pytest.approx([1.0, 1.0])
