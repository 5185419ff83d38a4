"""One traced graph for quantized networks that differ in their numbers only: their structure, and their scales.

Weights and the scales of channels are tensors of the network, which the exporter names; the scales of activations are
plain numbers inside the graph, and are put into the traced one here.
"""

import hashlib

import numpy as np
import onnx
import torch
from onnx import NodeProto, numpy_helper
from torch.fx import GraphModule, Node

ONNX_OPERATORS = ("QuantizeLinear", "DequantizeLinear")
ONNX_TYPES: dict[torch.dtype, type] = {torch.uint8: np.uint8, torch.int8: np.int8, torch.int32: np.int32}


def structure(graph: GraphModule) -> str:
    """A digest of what a quantized graph computes, leaving out its tensors and the scales of its activations."""
    lines = []
    for node in graph.graph.nodes:
        arguments = list(node.args)
        if _is_per_tensor(node):
            arguments[1:3] = []
        lines.append(f"{node.op} {node.name} {node.target} {arguments} {node.kwargs}")
    shapes = [f"{name} {tuple(tensor.shape)} {tensor.dtype}" for name, tensor in graph.state_dict().items()]
    return hashlib.sha256("\n".join([*lines, *shapes]).encode()).hexdigest()


def put_activation_scales(model: onnx.ModelProto, graph: GraphModule) -> None:
    """Give every per-tensor quantizer of a traced graph, in place, the scale and zero point that it has in ``graph``.

    ``model`` was traced, and not yet optimized, from a graph of the same :func:`structure`.
    """
    wanted = [node for node in graph.graph.nodes if _operator(node)]
    found = [node for node in model.graph.node if node.op_type in ONNX_OPERATORS]
    if [_operator(node) for node in wanted] != [node.op_type for node in found]:
        raise ValueError("the traced graph does not quantize where the network does")
    for index, (node, traced) in enumerate(zip(wanted, found, strict=True)):
        if _is_per_tensor(node):
            _put(model, traced, index, node)


def _put(model: onnx.ModelProto, traced: NodeProto, index: int, node: Node) -> None:
    scale, zero_point, dtype = node.args[1], node.args[2], node.args[5]
    assert isinstance(dtype, torch.dtype)
    arrays = {
        f"activation_scale_{index}": np.array(scale, np.float32),
        f"activation_zero_point_{index}": np.array(zero_point, ONNX_TYPES[dtype]),
    }
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in arrays.items())
    traced.input[1], traced.input[2] = arrays


def _operator(node: Node) -> str:
    """The ONNX operator that a node becomes, if it quantizes or dequantizes."""
    name = str(node.target)
    if node.op != "call_function" or not name.startswith("quantized_decomposed."):
        return ""
    return ONNX_OPERATORS["dequantize" in name]


def _is_per_tensor(node: Node) -> bool:
    return bool(_operator(node)) and "per_tensor" in str(node.target)
