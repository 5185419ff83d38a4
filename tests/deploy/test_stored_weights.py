"""The weights that are read from a deployed file against those of the network that it was made of."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from petiole.deploy.export import OnnxExporter
from petiole.deploy.stored_weights import layer_weights
from petiole.quantization import pt2e

SHAPE = (1, 32, 32)


def weights_of(network: nn.Module) -> list[np.ndarray]:
    layers = [each for each in network.modules() if isinstance(each, nn.Conv2d | nn.Linear)]
    return [each.weight.detach().numpy() for each in layers]


def test_float_weights_are_the_networks_own(lenet: nn.Module, tmp_path: Path) -> None:
    OnnxExporter().export(lenet, SHAPE, tmp_path / "model.onnx")
    found = list(layer_weights(tmp_path / "model.onnx"))
    for stored, own in zip(found, weights_of(lenet), strict=True):
        np.testing.assert_array_equal(stored, own)


def test_int8_weights_are_within_half_a_step_of_the_networks_own(lenet: nn.Module, tmp_path: Path) -> None:
    prepared = pt2e.prepare_static(pt2e.export_graph(lenet, SHAPE))
    pt2e.calibrate(prepared, torch.randn(32, *SHAPE))
    OnnxExporter().export(pt2e.convert(prepared), SHAPE, tmp_path / "model.onnx")
    found = list(layer_weights(tmp_path / "model.onnx"))
    own = weights_of(lenet)
    assert [each.shape for each in found] == [each.shape for each in own]
    for stored, exact in zip(found, own, strict=True):
        step = np.abs(exact).reshape(len(exact), -1).max(1) / 127  # one scale for each channel
        error = np.abs(stored - exact).reshape(len(exact), -1).max(1)
        assert np.all(error <= step * 0.51)
        assert np.any(error > 0)
        assert max(len(np.unique(channel)) for channel in stored.reshape(len(stored), -1)) <= 255
