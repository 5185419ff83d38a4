"""Padding that stands before a convolution, moved into it.

Networks that came from TensorFlow pad unevenly ("SAME": one row more below than above), which torch's convolutions
cannot do, so that an exported graph has a ``Pad`` before each of them. ONNX's ``Conv`` can. Between int8 layers a
``Pad`` costs a conversion to float and back; ONNX Runtime really does both.
"""

from collections.abc import Iterator

import onnx
from onnx import NodeProto

from petiole.deploy.graph import OnnxGraph

QUANTIZE, DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"


def fold_padding(model: onnx.ModelProto) -> int:
    """Move every zero padding of height and width into the convolutions after it, in place; returns how many.

    A quantize/dequantize pair between both changes nothing, since 0 is stored exactly. If the padded values came from
    the same scale, the pair has become superfluous and goes too.
    """
    graph = OnnxGraph(model.graph)
    folded = sum(_fold(graph, node) for node in list(model.graph.node) if node.op_type == "Pad")
    if folded:
        graph.remove_unused()
    return folded


def _fold(graph: OnnxGraph, pad: NodeProto) -> bool:
    amounts = _spatial_zero_padding(graph, pad)
    if amounts is None or pad.output[0] in graph.outputs:
        return False
    convolutions = list(_convolutions(graph, pad.output[0]))
    if not convolutions or not all(each is not None for each in convolutions):
        return False
    for each in convolutions:
        assert each is not None
        _add_pads(each, amounts)
    for user in graph.users(pad.output[0]):
        graph.replace_input(user, pad.output[0], pad.input[0])
        if user.op_type == QUANTIZE:
            _drop_repeated_pair(graph, user)
    return True


def _spatial_zero_padding(graph: OnnxGraph, pad: NodeProto) -> list[int] | None:
    """``[top, left, bottom, right]`` of a constant zero padding of ``(N, C, H, W)``, else None."""
    mode = next((each.s for each in pad.attribute if each.name == "mode"), b"constant")
    amounts = graph.constant(pad.input[1])
    value = graph.constant(pad.input[2]) if len(pad.input) > 2 and pad.input[2] else [0.0]
    if mode != b"constant" or amounts is None or len(amounts) != 8 or value != [0.0] or len(pad.input) > 3:
        return None
    whole = [int(each) for each in amounts]
    if any(whole[i] for i in (0, 1, 4, 5)) or min(whole) < 0:
        return None
    return [whole[2], whole[3], whole[6], whole[7]]


def _convolutions(graph: OnnxGraph, name: str) -> Iterator[NodeProto | None]:
    """The convolutions that take a value in, also through a quantize/dequantize pair; None for any other user."""
    for user in graph.users(name):
        if user.op_type == "Conv" and user.input[0] == name and name not in user.input[1:]:
            yield user if _explicit(user) else None
        elif user.op_type in (QUANTIZE, DEQUANTIZE) and user.output[0] not in graph.outputs:
            yield from _convolutions(graph, user.output[0])
        else:
            yield None


def _explicit(convolution: NodeProto) -> bool:
    return all(each.name != "auto_pad" or each.s == b"NOTSET" for each in convolution.attribute)


def _add_pads(convolution: NodeProto, amounts: list[int]) -> None:
    for attribute in convolution.attribute:
        if attribute.name == "pads":
            attribute.ints[:] = [old + more for old, more in zip(attribute.ints, amounts, strict=True)]
            return
    convolution.attribute.append(onnx.helper.make_attribute("pads", amounts))


def _drop_repeated_pair(graph: OnnxGraph, quantize: NodeProto) -> None:
    """If a quantize follows a dequantize of the same scale, what uses its values takes those before it."""
    before = graph.producers.get(quantize.input[0])
    if before is None or before.op_type != DEQUANTIZE:
        return
    if [graph.constant(name) for name in before.input[1:]] != [graph.constant(name) for name in quantize.input[1:]]:
        return
    for dequantize in graph.users(quantize.output[0]):
        for user in graph.users(dequantize.output[0]):
            graph.replace_input(user, dequantize.output[0], before.output[0])
