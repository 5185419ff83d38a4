"""Did quantization happen? Counted on what was converted and on what the runtime compiled, never on the plan."""

from collections.abc import Sequence

import torch
from torch.fx import GraphModule

from petiole.errors import GateError

aten = torch.ops.aten
_WEIGHTED = {
    aten.conv1d.default, aten.conv1d.padding, aten.conv2d.default, aten.conv2d.padding,
    aten.conv3d.default, aten.conv3d.padding, aten.conv_transpose1d.default, aten.conv_transpose2d.input,
    aten.conv_transpose3d.input, aten.linear.default,
}  # fmt: skip
"""All kinds, also those that no quantizer here knows: they must be missed when they stay float."""


def converted_layers(graph: GraphModule) -> tuple[int, int]:
    """``(quantized, all)`` convolution and linear layers of a converted graph.

    A layer counts as quantized when both its input and its weight come out of a dequantize operator.
    """
    quantized = total = 0
    for node in graph.graph.nodes:
        if node.op == "call_function" and node.target in _WEIGHTED:
            total += 1
            quantized += all("dequantize" in str(arg.target) for arg in node.args[:2])
    return quantized, total


def require_all(quantized: int, total: int, *, where: str, floating: Sequence[str] = ()) -> str:
    """``"21/21"``, the gate's figure. ``floating`` are the names of the layers that are not quantized, if known.

    Raises:
        GateError: fewer than all layers are quantized, or there are none.
    """
    if total == 0 or quantized < total:
        first = f"; float is {floating[0]}" if floating else ""
        raise GateError(f"only {quantized} of {total} convolution and linear layers of {where} run in int8{first}")
    return f"{quantized}/{total}"
