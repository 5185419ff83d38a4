"""The nodes of an ONNX graph that compute layers are named as the network's layers: what a runtime says of them is said
in the words of the person who made the network."""

import re
from collections import Counter
from collections.abc import Iterator

import onnx
from onnx import NodeProto

from petiole.deploy.float_layers import LAYERS
from petiole.deploy.graph import OnnxGraph

_STORED = re.compile(r"(?:module\.)?(?P<layer>.+?)\.(?:weight|bias|codes\d*|weight_bias)")
"""Names of what a layer stores; a twin holds its network as ``module``, and a folded BatchNorm adds ``weight_bias``."""


def name_layers(model: onnx.ModelProto) -> None:
    """Rename, in place, each convolution and linear node after the layer whose weight or bias it takes; a layer that
    runs again gets ``#2``. Nodes without a stored name keep their own."""
    graph = OnnxGraph(model.graph)
    runs = Counter[str]()
    for node in model.graph.node:
        if node.op_type not in LAYERS:
            continue
        found = next((match["layer"] for name in _stored(graph, node) if (match := _STORED.fullmatch(name))), None)
        if found is not None:
            runs[found] += 1
            node.name = found if runs[found] == 1 else f"{found}#{runs[found]}"


def _stored(graph: OnnxGraph, node: NodeProto) -> Iterator[str]:
    """The constants that a node's weight and bias come from, through what dequantizes them."""
    for name in node.input[1:]:
        while name not in graph.constants and name in graph.producers and graph.producers[name].input:
            name = graph.producers[name].input[0]
        yield name
