"""Quantized graphs that share a traced one: the files are those that tracing each by itself gives."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn
from torch.fx import GraphModule

from petiole.deploy import export
from petiole.deploy.quantized_template import put_activation_scales, structure
from petiole.deploy.runtimes import of_file
from petiole.errors import GateError
from petiole.quantization import pt2e

SHAPE = (3, 8, 8)


def quantized(seed: int, *, kernel: int = 3) -> GraphModule:
    torch.manual_seed(seed)
    layers = [nn.Conv2d(3, 4, kernel), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)]
    prepared = pt2e.prepare_static(pt2e.export_graph(nn.Sequential(*layers).eval(), SHAPE))
    pt2e.calibrate(prepared, torch.randn(8, *SHAPE) * (seed + 1))
    return pt2e.convert(prepared)


def numbers(path: Path) -> dict[str, list[float]]:
    """What each quantizer of a file multiplies and adds, and the int8 weights, by the value it makes."""
    model = onnx.load(str(path))
    constants = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    return {
        node.output[0]: [float(x) for name in node.input if name in constants for x in np.ravel(constants[name])]
        for node in model.graph.node
        if node.op_type in ("QuantizeLinear", "DequantizeLinear")
    }


def test_the_second_of_two_alike_is_not_traced_and_has_its_own_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = quantized(0), quantized(1)
    exporter = export.OnnxExporter()
    exporter.export(first, SHAPE, tmp_path / "first.onnx")
    export.OnnxExporter().export(second, SHAPE, tmp_path / "alone.onnx")
    monkeypatch.setattr(export, "_trace", lambda *_, **__: pytest.fail("traced again"))
    exporter.export(second, SHAPE, tmp_path / "second.onnx")
    assert numbers(tmp_path / "second.onnx") == numbers(tmp_path / "alone.onnx")
    first_numbers, second_numbers = numbers(tmp_path / "first.onnx"), numbers(tmp_path / "second.onnx")
    assert all(first_numbers[key] != values for key, values in second_numbers.items())
    inputs = torch.randn(4, *SHAPE, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        assert torch.allclose(
            of_file("openvino", tmp_path / "second.onnx", threads=1)(inputs), second(inputs), atol=0.02
        )


def test_structure_leaves_numbers_out_and_sees_every_other_difference() -> None:
    first = quantized(0)
    assert structure(first) == structure(quantized(1))
    assert structure(first) != structure(quantized(0, kernel=5))
    narrower = quantized(0)
    node = next(each for each in narrower.graph.nodes if "quantize_per_tensor" in str(each.target))
    node.args = (*node.args[:4], 127, *node.args[5:])  # half the range
    assert structure(first) != structure(narrower)


def test_a_graph_that_quantizes_elsewhere_is_refused() -> None:
    traced = export._trace(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)).eval(), SHAPE, optimize=False)
    with pytest.raises(ValueError, match="does not quantize where the network does"):
        put_activation_scales(traced, quantized(0))


class Undecided(nn.Module):
    """What it computes depends on what it sees."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs.flatten(1)[:, :2] if bool(inputs.sum() > 0) else inputs.flatten(1)[:, 2:4]


def test_a_network_without_a_graph_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(GateError, match=r"^Undecided has no graph that could be quantized \("):
        pt2e.export_graph(Undecided(), SHAPE)
    with pytest.raises(GateError, match=r"^Undecided cannot be written as ONNX \("):
        export.OnnxExporter().export(Undecided(), SHAPE, tmp_path / "model.onnx")
