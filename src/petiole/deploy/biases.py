"""Biases of quantized linear layers as int32, as ONNX Runtime wants them.

It turns a ``Gemm`` into its int8 kernel only if the bias is int32 too, with the scale of the products that it is added
to: ``scale = input scale * weight scale`` (Jacob et al. 2018, equation 11). Biases of convolutions it turns so by
itself, but by an optimization that makes int8 of float weights as well: for a file with layers that stay float it is
switched off (:mod:`petiole.deploy.runtime_onnxruntime`), and the biases of convolutions are int32 there too.
"""

import numpy as np
import onnx
from onnx import NodeProto, helper, numpy_helper

from petiole.deploy.float_layers import float_layers
from petiole.deploy.graph import OnnxGraph

Scales = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
SAME_SCALE = frozenset({"MaxPool", "Reshape", "Flatten", "Transpose"})
INT32 = np.iinfo(np.int32)


def quantize_biases(model: onnx.ModelProto) -> int:
    """Store the float bias of every ``Gemm`` between int8 inputs and int8 weights as int32, in place, and of every
    ``Conv`` where other layers stay float; returns how many.

    The bias moves by at most half a product's step.
    """
    graph = OnnxGraph(model.graph)
    mixed = bool(float_layers(model))
    kinds = {"Gemm", "Conv"} if mixed else {"Gemm"}
    done = 0
    for node in list(model.graph.node):
        if node.op_type in kinds and len(node.input) == 3 and node.input[2] in graph.constants:
            scale = _product_scale(graph, node, through=SAME_SCALE if mixed else frozenset())
            if scale is not None:
                done += _quantize(graph, node, scale)
    if done:
        graph.remove_unused()
    return done


def _product_scale(graph: OnnxGraph, node: NodeProto, *, through: frozenset[str]) -> Scales | None:
    """``through`` are operators behind a dequantized value that leave it on its grid."""
    scales = []
    for name in node.input[:2]:
        source = graph.producers.get(name)
        while source is not None and source.op_type in through:
            source = graph.producers.get(source.input[0])
        scale = graph.constant(source.input[1]) if source is not None and source.op_type == "DequantizeLinear" else None
        if scale is None:
            return None
        scales.append(np.array(scale))
    product: Scales = scales[0] * scales[1]
    return product


def _quantize(graph: OnnxGraph, node: NodeProto, scale: Scales) -> bool:
    bias = numpy_helper.to_array(graph.constants[node.input[2]]).astype(np.float64)
    codes = np.round(bias / scale)
    if np.abs(codes).max() > INT32.max or len(scale) not in (1, len(bias)):
        return False
    name = f"{node.output[0]}_bias"
    arrays = {
        name: codes.astype(np.int32),
        f"{name}_scale": np.broadcast_to(scale, bias.shape).astype(np.float32),
        f"{name}_zero_point": np.zeros(bias.shape, np.int32),
    }
    graph.graph.initializer.extend(numpy_helper.from_array(array, key) for key, array in arrays.items())
    names = list(arrays)
    dequantize = helper.make_node("DequantizeLinear", names, [f"{name}_float"], name=f"{name}_dequantize", axis=0)
    graph.graph.node.insert(list(graph.graph.node).index(node), dequantize)
    node.input[2] = f"{name}_float"
    return True
