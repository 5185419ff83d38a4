"""The weights of a deployed file, as the runtimes compute with them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from petiole.deploy.float_layers import LAYERS
from petiole.deploy.graph import OnnxGraph

Weights = npt.NDArray[np.float32]


def layer_weights(path: Path) -> Iterator[Weights]:
    """The weight of each convolution and linear layer of an ONNX file, ``(output channels, ...)`` float32, dequantized
    where it is stored in int8. Products of computed values have none and are left out."""
    model = onnx.load(path)
    graph = OnnxGraph(model.graph)
    fixed, nodes = set(graph.constants), []
    for node in model.graph.node:  # in the order of computation
        if all(name in fixed for name in node.input if name):
            fixed.update(node.output)
            nodes.append(node)
    layers = [node for node in model.graph.node if node.op_type in LAYERS and node.input[1] in fixed]
    made = {name for node in nodes for name in node.output}
    names = list(dict.fromkeys(node.input[1] for node in layers if node.input[1] in made))
    outputs = [helper.make_empty_tensor_value_info(name) for name in names]
    part = helper.make_model(
        helper.make_graph(nodes, "weights", [], outputs, initializer=model.graph.initializer),
        opset_imports=model.opset_import, ir_version=model.ir_version,
    )  # fmt: skip
    values = dict(zip(names, ReferenceEvaluator(part).run(names, {}), strict=True)) if names else {}
    for node in layers:
        name = node.input[1]
        value = values[name] if name in values else numpy_helper.to_array(graph.constants[name])
        yield np.moveaxis(np.asarray(value, dtype=np.float32), _channel_axis(node), 0)


def _channel_axis(node: NodeProto) -> int:
    """Where the output channels of a stored weight are: first in a ``Conv`` and a transposed ``Gemm``."""
    turned = any(each.name == "transB" and each.i for each in node.attribute)
    return 0 if node.op_type == "Conv" or turned else 1
