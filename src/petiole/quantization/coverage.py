"""Did quantization happen? Counted on what was converted and on what the runtime compiled, never on the plan."""

import re
from collections.abc import Sequence

import torch
from torch.fx import GraphModule

from petiole.errors import GateError
from petiole.quantization.pt2e_quantizer import layer_name

aten = torch.ops.aten
_CODES = re.compile(r"\.codes\d*$")
_WEIGHTED = {
    aten.conv1d.default, aten.conv1d.padding, aten.conv2d.default, aten.conv2d.padding,
    aten.conv3d.default, aten.conv3d.padding, aten.conv_transpose1d.default, aten.conv_transpose2d.input,
    aten.conv_transpose3d.input, aten.linear.default,
}  # fmt: skip
"""All kinds, also those that no quantizer here knows: they must be missed when they stay float."""


class CoverageError(GateError):
    """Fewer layers are int8 than were meant to be."""


def graph_layers(graph: GraphModule) -> list[tuple[str, bool]]:
    """Each convolution and linear layer of a converted graph, as often as it runs: its name, and whether it is int8.

    A layer is int8 if both its input and its weight come out of a dequantize operator.
    """
    return [
        (_CODES.sub("", layer_name(node)), all("dequantize" in str(arg.target) for arg in node.args[:2]))
        for node in graph.graph.nodes
        if node.op == "call_function" and node.target in _WEIGHTED
    ]


def converted_layers(graph: GraphModule) -> tuple[int, int]:
    """``(quantized, all)`` of :func:`graph_layers`."""
    layers = graph_layers(graph)
    return sum(int8 for _, int8 in layers), len(layers)


def require_all(quantized: int, total: int, *, where: str, floating: Sequence[str] = ()) -> str:
    """``"21/21"``, the gate's figure. ``floating`` are the names of the layers that are not quantized, if known.

    Raises:
        CoverageError: fewer than all layers are quantized, or there are none.
    """
    if total == 0 or quantized < total:
        first = f"; float is {floating[0]}" if floating else ""
        raise CoverageError(f"only {quantized} of {total} convolution and linear layers of {where} run in int8{first}")
    return f"{quantized}/{total}"
