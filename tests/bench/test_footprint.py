"""Counts worked out by hand on tiny layers, and against torch's own FLOP counter on whole networks."""

from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn
from torch.nn.utils import prune
from torch.utils.flop_counter import FlopCounterMode

from petiole.bench.footprint import macs, nonzero_parameters, parameters, stored_bytes
from petiole.models.lenet import LeNet


def test_parameters_by_hand_and_shared_ones_once() -> None:
    assert parameters(nn.Linear(3, 2)) == 3 * 2 + 2
    first, second = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
    second.weight = first.weight
    assert parameters(nn.Sequential(first, second)) == 16


def test_zeros_do_not_count_as_nonzero() -> None:
    layer = nn.Linear(3, 2)
    with torch.no_grad():
        layer.weight.fill_(1.0)
        layer.weight[0, 1] = 0.0
        layer.weight[1, 1] = -0.0
        layer.bias.fill_(2.0)
    assert nonzero_parameters(layer) == 6
    assert parameters(layer) == 8


def test_a_mask_that_torch_holds_counts() -> None:
    layer = nn.Linear(3, 2)
    nn.init.ones_(layer.weight)
    nn.init.ones_(layer.bias)
    mask = torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    prune.custom_from_mask(layer, "weight", mask)
    assert nonzero_parameters(layer) == 3 + 2
    prune.remove(layer, "weight")
    assert nonzero_parameters(layer) == 3 + 2


@pytest.mark.parametrize(
    ("layer", "input_shape", "by_hand"),
    [
        (nn.Linear(5, 3), (5,), 5 * 3),
        (nn.Linear(5, 3), (7, 5), 7 * 5 * 3),
        (nn.Conv2d(3, 8, 3, padding=1, stride=2), (3, 8, 8), 8 * 4 * 4 * 3 * 9),
        (nn.Conv2d(8, 8, 3, groups=8), (8, 6, 6), 8 * 4 * 4 * 9),
        (nn.Conv1d(2, 4, 3), (2, 10), 4 * 8 * 2 * 3),
        (nn.ConvTranspose2d(4, 6, 2, stride=2), (4, 3, 3), 4 * 3 * 3 * 6 * 4),
        (nn.LSTM(8, 5), (20, 8), 20 * 4 * 5 * (8 + 5)),
        (nn.LSTM(8, 5, num_layers=2, bidirectional=True), (3, 8), 3 * 2 * 4 * 5 * ((8 + 5) + (10 + 5))),
    ],
)
def test_macs_by_hand(layer: nn.Module, input_shape: tuple[int, ...], by_hand: int) -> None:
    assert macs(layer, input_shape) == by_hand


def test_macs_of_lenet_by_hand() -> None:
    convolutions = 6 * 28 * 28 * 25 + 16 * 10 * 10 * 6 * 25
    assert macs(LeNet(), (1, 32, 32)) == convolutions + 400 * 120 + 120 * 84 + 84 * 10


def test_a_layer_counts_as_often_as_it_runs() -> None:
    layer = nn.Linear(4, 4)
    assert macs(nn.Sequential(layer, nn.ReLU(), layer), (4,)) == 2 * 16


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small"])
def test_macs_are_half_the_flops_of_torch(name: str) -> None:
    network = torchvision.models.get_model(name, weights=None).eval()
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.zeros(1, 3, 64, 64))
    assert macs(network, (3, 64, 64)) * 2 == counter.get_total_flops()


def test_counting_changes_nothing() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout())
    network[2].eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    macs(network, (1, 5, 5))
    assert [layer.training for layer in network] == [True, True, False]
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert not network[0]._forward_hooks


def test_nothing_to_count_is_an_error_and_not_zero() -> None:
    with pytest.raises(ValueError, match="no convolution"):
        macs(nn.ReLU(), (3,))


def test_quantized_layers_are_an_error_and_not_left_out() -> None:
    class Linear(nn.Linear):
        __module__ = "torch.ao.nn.quantized.dynamic.modules.linear"

    with pytest.raises(ValueError, match="float parent"):
        macs(nn.Sequential(Linear(2, 2), nn.Linear(2, 2)), (2,))


def test_stored_bytes_of_a_file_and_of_a_directory(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "a").write_bytes(b"123")
    (tmp_path / "deep" / "b").write_bytes(b"12345")
    assert stored_bytes(tmp_path / "a") == 3
    assert stored_bytes(tmp_path) == 8
    with pytest.raises(FileNotFoundError):
        stored_bytes(tmp_path / "missing")
