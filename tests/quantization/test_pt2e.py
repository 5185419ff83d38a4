"""PT2E on a tiny network: what is quantized, what is refused, and that OpenVINO agrees."""

from pathlib import Path

import onnx
import pytest
import torch
from torch import nn

from petiole.deploy import runtimes
from petiole.deploy.export import OnnxExporter
from petiole.deploy.float_layers import float_layers
from petiole.deploy.runtime_openvino import OpenVinoRuntime
from petiole.errors import GateError
from petiole.quantization import pt2e
from petiole.quantization.coverage import converted_layers, graph_layers, require_all

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


class Tiny(nn.Module):
    """A residual block with everything that matters: BatchNorm, ReLU, addition, pooling, linear."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.conv2, self.bn2 = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.relu = nn.ReLU()
        self.fc = nn.Linear(8, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        first = self.relu(self.bn1(self.conv1(images)))
        second = self.relu(self.bn2(self.conv2(first)) + first)
        logits: torch.Tensor = self.fc(second.mean([2, 3]))
        return logits


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    network = Tiny().eval()
    for norm in (network.bn1, network.bn2):
        nn.init.uniform_(norm.bias, -0.2, 0.2)  # else the convolutions have no bias in the file
    return network


@pytest.fixture(scope="module")
def inputs() -> torch.Tensor:
    return torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def test_every_layer_is_quantized_and_the_runtime_agrees(
    network: nn.Module, inputs: torch.Tensor, tmp_path: Path
) -> None:
    prepared = pt2e.prepare_static(pt2e.export_graph(network, (3, 8, 8)))
    assert pt2e.calibrate(prepared, inputs) == 16
    converted = pt2e.convert(prepared)
    assert converted_layers(converted) == (3, 3)
    with torch.no_grad():
        exact, quantized = network(inputs), converted(inputs)
    assert float((exact - quantized).abs().max()) < 0.05
    assert float((exact - quantized).abs().max()) > 0
    OnnxExporter().export(converted, (3, 8, 8), tmp_path / "model.onnx")
    runtime = OpenVinoRuntime(tmp_path / "model.onnx", threads=1)
    assert torch.allclose(runtime(inputs), quantized, atol=0.02)
    layers = runtime.layers()
    assert (len(layers.int8), layers.floating) == (3, ())


def test_uncalibrated_observers_are_refused_by_name(network: nn.Module) -> None:
    with pytest.raises(GateError, match=r"observer .* has seen no data"):
        pt2e.convert(pt2e.prepare_static(pt2e.export_graph(network, (3, 8, 8))))


def test_float_exports_share_a_template_but_not_weights(
    network: nn.Module, inputs: torch.Tensor, tmp_path: Path
) -> None:
    exporter = OnnxExporter()
    torch.manual_seed(5)
    other = Tiny().eval()
    for index, one in enumerate((network, other)):
        path = tmp_path / f"{index}.onnx"
        exporter.export(one, (3, 8, 8), path, architecture="tiny")
        with torch.no_grad():
            assert torch.allclose(OpenVinoRuntime(path, threads=1)(inputs), one(inputs), atol=1e-4)


def test_a_float_graph_has_no_quantized_layer(network: nn.Module) -> None:
    assert converted_layers(pt2e.fused_float(pt2e.export_graph(network, (3, 8, 8)))) == (0, 3)
    with pytest.raises(GateError, match="only 0 of 3"):
        require_all(0, 3, where="Tiny")


@pytest.mark.parametrize("runtime", runtimes.OF_FILES)
def test_what_a_runtime_computes_in_float_is_told_by_the_name_of_the_layer(
    network: nn.Module, inputs: torch.Tensor, tmp_path: Path, runtime: str
) -> None:
    prepared = pt2e.prepare_static(pt2e.export_graph(network, (3, 8, 8)), floating=["conv2"])
    pt2e.calibrate(prepared, inputs)
    converted = pt2e.convert(prepared)
    OnnxExporter().export(converted, (3, 8, 8), tmp_path / "model.onnx")
    opened = runtimes.of_file(runtime, tmp_path / "model.onnx", threads=1)
    layers = opened.layers()
    assert (sorted(layers.int8), layers.floating) == (["conv1", "fc"], ("conv2",))
    with torch.no_grad():
        assert torch.allclose(opened(inputs), converted(inputs), atol=0.01)
    with pytest.raises(GateError, match="layers of Tiny on x run in int8; float is conv2"):
        require_all(2, 3, where="Tiny on x", floating=layers.floating)


class Turned(nn.Module):
    """A transposed convolution, which the quantizer leaves alone, and a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.up = nn.Conv2d(3, 4, 3), nn.ConvTranspose2d(4, 2, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.up(self.conv(images)).mean([2, 3])
        return logits


@pytest.mark.parametrize("runtime", runtimes.OF_FILES)
def test_a_kind_of_layer_that_no_quantizer_knows_is_missed(inputs: torch.Tensor, tmp_path: Path, runtime: str) -> None:
    prepared = pt2e.prepare_static(pt2e.export_graph(Turned().eval(), (3, 8, 8)))
    pt2e.calibrate(prepared, inputs)
    converted = pt2e.convert(prepared)
    assert converted_layers(converted) == (1, 2)
    OnnxExporter().export(converted, (3, 8, 8), tmp_path / "model.onnx")
    floating = runtimes.of_file(runtime, tmp_path / "model.onnx", threads=1).layers().floating
    assert any(name == "up" or "BackpropData" in name for name in floating)  # OpenVINO's own name for it


class Twice(nn.Module):
    """A convolution that runs twice, and a linear layer without a bias."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Conv2d(3, 3, 3, padding=1), nn.Linear(3, 2, bias=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.body(self.body(images)).mean([2, 3]))
        return logits


def test_layers_have_their_names_in_the_file(tmp_path: Path) -> None:
    OnnxExporter().export(Twice().eval(), (3, 8, 8), tmp_path / "model.onnx")
    nodes = onnx.load(str(tmp_path / "model.onnx")).graph.node
    assert [node.name for node in nodes if node.op_type == "Conv"] == ["body", "body#2"]
    assert [node.name for node in nodes if node.op_type in ("Gemm", "MatMul")] == ["head"]


def test_a_layer_that_runs_twice_keeps_its_name_in_int8(inputs: torch.Tensor, tmp_path: Path) -> None:
    prepared = pt2e.prepare_static(pt2e.export_graph(Twice().eval(), (3, 8, 8)))
    pt2e.calibrate(prepared, inputs)
    converted = pt2e.convert(prepared)
    with torch.no_grad():
        before = converted(inputs)
    OnnxExporter().export(converted, (3, 8, 8), tmp_path / "model.onnx")
    runtime = OpenVinoRuntime(tmp_path / "model.onnx", threads=1)
    assert torch.allclose(runtime(inputs), before, atol=0.02)
    assert {"body", "body#2"} < set(runtime.layers().int8)  # OpenVINO names the last one after the output


class Raw(nn.Module):
    """A convolution by hand, its weight beside the layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.kernel = nn.Conv2d(3, 4, 3), nn.Parameter(torch.randn(2, 4, 3, 3))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return nn.functional.conv2d(self.conv(images), self.kernel).mean([2, 3])


def test_a_weight_that_is_no_layers_keeps_its_number(inputs: torch.Tensor, tmp_path: Path) -> None:
    prepared = pt2e.prepare_static(pt2e.export_graph(Raw().eval(), (3, 8, 8)))
    pt2e.calibrate(prepared, inputs)
    converted = pt2e.convert(prepared)
    assert [int8 for _, int8 in graph_layers(converted)] == [True, True]
    OnnxExporter().export(converted, (3, 8, 8), tmp_path / "model.onnx")
    with torch.no_grad():
        assert torch.allclose(OpenVinoRuntime(tmp_path / "model.onnx", threads=1)(inputs), converted(inputs), atol=0.05)


def test_a_layer_that_runs_twice_is_given_back_twice(inputs: torch.Tensor) -> None:
    prepared = pt2e.prepare_static(pt2e.export_graph(Twice().eval(), (3, 8, 8)), floating=["body"])
    pt2e.calibrate(prepared, inputs)
    assert graph_layers(pt2e.convert(prepared)) == [("body", False), ("body", False), ("head", True)]


class Pooled(nn.Module):
    """Convolutions with a pooling between them, and a layer that stays float."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.Linear(4, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        pooled = nn.functional.max_pool2d(self.first(images).relu(), 2)
        logits: torch.Tensor = self.last(self.second(pooled).relu().mean([2, 3]))
        return logits


def test_biases_behind_a_pooling_are_int32_where_a_layer_stays_float(inputs: torch.Tensor, tmp_path: Path) -> None:
    """As ONNX Runtime needs it for its int8 kernel; the last convolution before the float layer is none for it."""
    prepared = pt2e.prepare_static(pt2e.export_graph(Pooled().eval(), (3, 8, 8)), floating=["last"])
    pt2e.calibrate(prepared, inputs)
    OnnxExporter().export(pt2e.convert(prepared), (3, 8, 8), tmp_path / "model.onnx")
    model = onnx.load(str(tmp_path / "model.onnx"))
    biases = {node.name: node.input[2] for node in model.graph.node if node.op_type == "Conv"}
    made_by = {node.output[0]: node for node in model.graph.node}
    types = {each.name: each.data_type for each in model.graph.initializer}
    assert {name: types[made_by[bias].input[0]] for name, bias in biases.items()} == {
        "first": onnx.TensorProto.INT32, "second": onnx.TensorProto.INT32,
    }  # fmt: skip
    assert float_layers(model) == ["last"]
