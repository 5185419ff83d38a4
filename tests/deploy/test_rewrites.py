"""What is rewritten in exported graphs: the same numbers come out, and what the runtimes cannot fuse is gone."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from petiole.deploy.biases import quantize_biases
from petiole.deploy.graph import strip
from petiole.deploy.padding import fold_padding

Array = np.ndarray[tuple[int, ...], np.dtype[np.float32]]
SEED = np.random.default_rng(0)
KERNEL = SEED.normal(size=(2, 1, 3, 3)).astype(np.float32)


def model(nodes: list[onnx.NodeProto], constants: dict[str, object], shape: list[int | str]) -> onnx.ModelProto:
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [f"y{i}" for i in range(len(shape))])],
        initializers,
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def answer(graph: onnx.ModelProto, inputs: Array) -> Array:
    result: Array = onnxruntime.InferenceSession(graph.SerializeToString()).run(None, {"x": inputs})[0]
    return result


def kinds(graph: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in graph.graph.node)


def padded(pads: list[int], *, mode: str = "constant", value: float = 0.0, quantized: bool = False) -> onnx.ModelProto:
    """Pad, perhaps a quantize/dequantize pair (its values may already have been on that scale), then Conv."""
    constants: dict[str, object] = {
        "pads": np.array(pads, np.int64), "value": np.array(value, np.float32), "w": KERNEL,
        "s": np.array(0.02, np.float32), "z": np.array(7, np.uint8),
    }  # fmt: skip
    before = [helper.make_node("QuantizeLinear", ["x", "s", "z"], ["x8"]),
              helper.make_node("DequantizeLinear", ["x8", "s", "z"], ["xf"])]  # fmt: skip
    between = [helper.make_node("QuantizeLinear", ["p", "s", "z"], ["p8"]),
               helper.make_node("DequantizeLinear", ["p8", "s", "z"], ["pf"])]  # fmt: skip
    pad = helper.make_node("Pad", ["xf" if quantized else "x", "pads", "value"], ["p"], mode=mode)
    conv = helper.make_node("Conv", ["pf" if quantized else "p", "w"], ["y"], pads=[1, 0, 1, 0], strides=[2, 2])
    nodes = [*before, pad, *between, conv] if quantized else [pad, conv]
    return model(nodes, constants, ["n", 1, 8, 8])


@pytest.mark.parametrize("quantized", [False, True])
def test_uneven_padding_goes_into_the_convolution(quantized: bool) -> None:
    graph = padded([0, 0, 0, 1, 0, 0, 1, 2], quantized=quantized)
    inputs = SEED.normal(size=(2, 1, 8, 8)).astype(np.float32)
    expected = answer(graph, inputs)
    assert fold_padding(graph) == 1
    onnx.checker.check_model(graph, full_check=True)
    assert kinds(graph) == ({"QuantizeLinear": 1, "DequantizeLinear": 1, "Conv": 1} if quantized else {"Conv": 1})
    pads = next(each.ints for each in graph.graph.node[-1].attribute if each.name == "pads")
    assert list(pads) == [1, 1, 2, 2]  # top, left, bottom, right
    assert "pads" not in {each.name for each in graph.graph.initializer}
    np.testing.assert_allclose(answer(graph, inputs), expected, atol=1e-5)


@pytest.mark.parametrize(
    "kept",
    [
        padded([0, 0, 1, 1, 0, 0, 1, 1], value=1.0),
        padded([0, 0, 1, 1, 0, 0, 1, 1], mode="edge"),
        padded([1, 0, 1, 1, 0, 0, 1, 1]),
        padded([0, 0, -1, 1, 0, 0, 1, 1]),
    ],
    ids=["another value", "copies of the edge", "other axes", "cropping"],
)
def test_other_padding_stays(kept: onnx.ModelProto) -> None:
    before = kept.SerializeToString()
    assert fold_padding(kept) == 0
    assert kept.SerializeToString() == before


def test_padding_that_something_else_uses_stays() -> None:
    graph = padded([0, 0, 1, 1, 0, 0, 1, 1])
    graph.graph.node.append(helper.make_node("Relu", ["p"], ["other"]))
    assert fold_padding(graph) == 0


def test_the_bias_of_a_quantized_linear_layer_becomes_int32() -> None:
    """Scales 0.1 and (0.5, 0.25): products have steps of 0.05 and 0.025, so 0.26 is 5 steps and -1 is -40."""
    constants = {
        "s": np.array(0.1, np.float32), "z": np.array(0, np.uint8),
        "w8": np.array([[1, 2], [3, -4]], np.int8), "ws": np.array([0.5, 0.25], np.float32),
        "wz": np.zeros(2, np.int8), "b": np.array([0.26, -1.0], np.float32),
    }  # fmt: skip
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["x8"]),
        helper.make_node("DequantizeLinear", ["x8", "s", "z"], ["xf"]),
        helper.make_node("DequantizeLinear", ["w8", "ws", "wz"], ["wf"], axis=0),
        helper.make_node("Gemm", ["xf", "wf", "b"], ["y"], transB=1),
    ]
    graph = model(nodes, dict(constants), ["n", 2])
    assert quantize_biases(graph) == 1
    onnx.checker.check_model(graph, full_check=True)
    arrays = {each.name: numpy_helper.to_array(each) for each in graph.graph.initializer}
    assert arrays["y_bias"].tolist() == [5, -40]
    assert arrays["y_bias_scale"] == pytest.approx([0.05, 0.025])
    assert "b" not in arrays
    # x = (0.2, 0.3) is (2, 3) in codes: 0.1 * 0.5 * (2 + 6) + 0.25 and 0.1 * 0.25 * (6 - 12) - 1
    assert answer(graph, np.array([[0.2, 0.3]], np.float32)).tolist() == [pytest.approx([0.65, -1.15])]


def test_a_float_linear_layer_keeps_its_bias() -> None:
    constants: dict[str, object] = {"w": np.ones((2, 2), np.float32), "b": np.ones(2, np.float32)}
    graph = model([helper.make_node("Gemm", ["x", "w", "b"], ["y"])], constants, ["n", 2])
    assert quantize_biases(graph) == 0


def test_nothing_of_this_machine_is_left_in_the_file(tmp_path: Path) -> None:
    graph = padded([0, 0, 1, 1, 0, 0, 1, 1])
    graph.graph.node[0].doc_string = f"made in {tmp_path}"
    helper.set_model_props(graph, {"trace": str(tmp_path)})
    strip(graph)
    assert str(tmp_path).encode() not in graph.SerializeToString()
