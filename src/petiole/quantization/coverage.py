"""Did quantization happen? Counted on what was converted and on what the runtime compiled, never on the plan."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.fx import GraphModule

from petiole.errors import GateError

aten = torch.ops.aten
_WEIGHTED = {aten.conv2d.default, aten.conv2d.padding, aten.linear.default}


def weighted_layers(network: nn.Module) -> int:
    """Number of convolution and linear layers of a float network."""
    return sum(isinstance(module, nn.Conv2d | nn.Linear) for module in network.modules())


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
