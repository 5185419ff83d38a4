"""Quantization on exported graphs (torchao PT2E): what is deployed. Static, and quantization-aware training.

Steps: export the network -> fold BatchNorm into the convolutions -> insert observers (or fake-quantize) where
:mod:`petiole.quantization.pt2e_quantizer` says -> show training images (or train) -> convert to int8 weights with
quantize/dequantize around them, which the runtimes fuse into int8 kernels.
"""

import copy
from collections.abc import Collection, Mapping

import torch
from torch import nn
from torch.export import Dim
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e import (
    FakeQuantizeBase,
    ObserverBase,
    allow_exported_model_train_eval,
    disable_observer,
)
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e, prepare_qat_pt2e
from torchao.quantization.pt2e.utils import _fuse_conv_bn_

from petiole.errors import GateError
from petiole.quantization.pt2e_quantizer import WEIGHTED, LabQuantizer, layer_name

NUMBERED = "_frozen_param"
"""What torchao calls int8 weights."""


def export_graph(network: nn.Module, input_shape: tuple[int, ...]) -> GraphModule:
    """The network's graph in eval mode for any number of inputs of ``input_shape`` (C, H, W), BatchNorm folded.

    Raises:
        GateError: it has no such graph, since what it computes depends on what it sees.
    """
    network = copy.deepcopy(network).eval().to(memory_format=torch.contiguous_format)
    example = (torch.zeros(2, *input_shape),)
    batch = Dim("batch", min=1, max=4096)
    try:
        program = torch.export.export(network, example, dynamic_shapes=({0: batch},), strict=False)
    except (RuntimeError, ValueError, TypeError) as error:
        why = str(error).strip().splitlines()[0]
        raise GateError(f"{type(network).__name__} has no graph that could be quantized ({why})") from error
    graph = program.module(check_guards=False)
    assert isinstance(graph, GraphModule)
    _fuse_conv_bn_(graph)
    return graph


def fused_float(graph: GraphModule) -> GraphModule:
    """The float network of :func:`export_graph`, ready to be judged; a copy, as of the functions below."""
    fused = copy.deepcopy(graph)
    allow_exported_model_train_eval(fused)
    return fused


def prepare_static(graph: GraphModule, *, floating: Collection[str] = ()) -> GraphModule:
    """The graph with observers, ready for calibration; the layers ``floating`` stay float."""
    prepared: GraphModule = prepare_pt2e(copy.deepcopy(graph), LabQuantizer(qat=False, floating=floating))
    return prepared


def prepare_qat(graph: GraphModule) -> GraphModule:
    """The graph with fake-quantize, ready for training; ``.train()`` and ``.eval()`` work on it."""
    prepared: GraphModule = prepare_qat_pt2e(copy.deepcopy(graph), LabQuantizer(qat=True))
    allow_exported_model_train_eval(prepared)
    return prepared


@torch.no_grad()
def calibrate(prepared: nn.Module, inputs: torch.Tensor, *, batch_images: int = 8) -> int:
    """Show inputs ``(N, C, H, W)`` of the training split to the observers; returns how many were shown."""
    for batch in inputs.split(batch_images):
        prepared(batch)
    return len(inputs)


def freeze_observers(prepared: nn.Module) -> None:
    """Fix the scales for the last part of quantization-aware training."""
    prepared.apply(disable_observer)


def convert(prepared: GraphModule) -> GraphModule:
    """The int8 graph.

    Raises:
        GateError: an observer has seen no data, so that its scale would be made up; the message names it.
    """
    check_observers(prepared)
    layers = {node.name: layer_name(node) for node in prepared.graph.nodes if node.target in WEIGHTED}
    converted: GraphModule = convert_pt2e(copy.deepcopy(prepared))
    _name_codes(converted, layers)
    allow_exported_model_train_eval(converted)
    return converted


def _name_codes(converted: GraphModule, layers: Mapping[str, str]) -> None:
    """Call the int8 weight of each layer, in place, ``<layer>.codes``: torchao numbers them, and a number says nothing
    to the person who made the network. ``layers`` are the names of the layers by that of their node."""
    for node in (each for each in converted.graph.nodes if each.name in layers):
        codes = node.args[1]
        while isinstance(codes, Node) and codes.op != "get_attr":
            codes = codes.args[0]
        if not isinstance(codes, Node) or not str(codes.target).startswith(NUMBERED):
            continue  # it stays float, or shares its codes with one that has a name by now
        layer, old = layers[node.name], str(codes.target)
        holder, again = _module_at(converted, layer), 1
        if holder is None:
            continue  # the weight is a parameter beside the layers: it keeps its number
        while hasattr(holder, name := f"codes{again if again > 1 else ''}"):
            again += 1
        holder.register_buffer(name, getattr(converted, old).detach())
        delattr(converted, old)
        codes.target = f"{layer}.{name}"
    converted.recompile()


def _module_at(graph: GraphModule, path: str) -> nn.Module | None:
    """The module of that path, made where there is nothing; None where something else is."""
    found: nn.Module = graph
    for part in path.split("."):
        if not hasattr(found, part):
            found.add_module(part, nn.Module())
        following = getattr(found, part)
        if not isinstance(following, nn.Module):
            return None
        found = following
    return found


def check_observers(prepared: nn.Module) -> None:
    """Refuse observers that saw nothing: their minimum is still infinite, or was never written.

    Raises:
        GateError: it names the first such observer.
    """
    for name, module in prepared.named_modules():
        observer = module.activation_post_process if isinstance(module, FakeQuantizeBase) else module
        if not isinstance(observer, ObserverBase) or not hasattr(observer, "min_val"):
            continue
        low = observer.min_val
        if low.numel() == 0 or not bool(torch.isfinite(low).all()):
            raise GateError(f"observer {name} has seen no data: calibrate with training images before converting")
