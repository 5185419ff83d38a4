"""Contributions against products worked out by hand."""

import pytest
import torch
from torch import nn

from petiole.errors import GateError
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


def test_each_group_of_a_concatenation_has_its_own_inputs() -> None:
    """The user takes in a's two channels, then b's; weights 1, 2, 3, 0; all inputs vary alike: 1, 4 and 9, 0."""
    layer = nn.Conv2d(4, 1, 1, bias=False)
    layer.weight.data = torch.tensor([1.0, 2.0, 3.0, 0.0]).view(1, 4, 1, 1)
    inputs = torch.tensor([[0.0] * 4, [2.0] * 4]).view(2, 4, 1, 1)
    halves = [
        ChannelGroup(name=name, channels=2, makers=(name,), users=("0",), places={"0": (places, (0, 1))})
        for name, places in (("a", (0, 1)), ("b", (2, 3)))
    ]
    found = contributions(nn.Sequential(layer), halves, inputs)
    assert found["a"].tolist() == pytest.approx([0.4, 1.6])
    assert found["b"].tolist() == pytest.approx([2.0, 0.0])


def test_a_linear_layer_takes_channels_from_the_last_dimension() -> None:
    """Two pictures of 3x1 places with channels last; only the second channel varies."""
    network = nn.Sequential(nn.Linear(2, 1, bias=False))
    network.get_parameter("0.weight").data.fill_(1.0)
    inputs = torch.tensor([[[[1.0, 0.0]], [[1.0, 3.0]], [[1.0, 1.0]]]] * 2)  # (2, 3, 1, 2)
    assert contributions(network, [group(2, "0")], inputs)["g"].tolist() == pytest.approx([0.0, 2.0])


def test_a_group_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(GateError, match="0 takes in 3 numbers, not a multiple of the 2 channels of g"):
        contributions(nn.Sequential(nn.Conv2d(3, 1, 1)), [group(2, "0")], torch.zeros(1, 3, 2, 2))
