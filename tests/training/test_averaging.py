"""Averages by hand."""

import copy

import torch
from torch import nn

from petiole.training.averaging import average_with


def test_weights_and_statistics_lie_between_and_counters_stay() -> None:
    network = nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1))
    before = copy.deepcopy(network.state_dict())
    before["0.weight"] = torch.tensor([[1.0, 0.0]])
    before["1.running_mean"] = torch.tensor([4.0])
    network.get_parameter("0.weight").data = torch.tensor([[3.0, 0.0]])
    network.get_buffer("1.num_batches_tracked").add_(7)
    average_with(network, before, share=0.25)
    after = network.state_dict()
    assert after["0.weight"].tolist() == [[1.5, 0.0]]  # 1 + 0.25 * (3 - 1); a zero of both stays one
    assert after["1.running_mean"].tolist() == [3.0]  # 4 + 0.25 * (0 - 4)
    assert int(after["1.num_batches_tracked"]) == 7
    assert before["0.weight"].tolist() == [[1.0, 0.0]]
