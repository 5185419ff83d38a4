"""How large a network is and how much it computes: parameters, multiply-accumulates, bytes on disk."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

COUNTED = (_ConvNd, nn.Linear, nn.LSTM)


def parameters(module: nn.Module) -> int:
    """Number of trainable numbers; one that is shared by two layers counts once."""
    return sum(parameter.numel() for parameter in module.parameters())


def nonzero_parameters(module: nn.Module) -> int:
    """Number of parameters that are not zero, as the network uses them.

    While ``torch.nn.utils.prune`` holds a mask, the parameter is ``weight_orig`` and the network uses
    ``weight_orig * weight_mask``: the product is counted.
    """
    masks = dict(module.named_buffers())
    nonzero = 0
    for name, parameter in module.named_parameters():
        mask = masks.get(name.removesuffix("_orig") + "_mask") if name.endswith("_orig") else None
        used = parameter if mask is None else parameter * mask
        nonzero += int(torch.count_nonzero(used))
    return nonzero


def macs(module: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Multiply-accumulates of one input, all layers of :func:`layer_macs` together.

    Raises:
        ValueError: as :func:`layer_macs`.
    """
    return sum(layer_macs(module, input_shape).values())


def layer_macs(module: nn.Module, input_shape: tuple[int, ...]) -> dict[str, int]:
    """Multiply-accumulates of one input by layer; ``input_shape`` is without the batch dimension: (3, 224, 224).

    Counted are convolutions, linear layers and LSTMs, each as often as it runs; biases, normalization,
    activations and pooling are not, as is usual (one multiply-accumulate is two FLOPs). Zeroed weights count:
    a dense network multiplies by them too. The input is zeros with a batch of one; mode and statistics of the
    network stay as they are.

    Raises:
        ValueError: no such layer ran, or some are quantized and would be missed: count the float parent.
    """
    quantized = [name for name, layer in module.named_modules() if ".quantized" in type(layer).__module__]
    if quantized:
        raise ValueError(f"cannot count quantized layers ({quantized[0]} ...): count the float parent")
    names = {layer: name for name, layer in module.named_modules()}
    counted: dict[str, int] = {}

    def count(layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        counted[names[layer]] = counted.get(names[layer], 0) + _layer_macs(layer, inputs[0], output)

    hooks = [layer.register_forward_hook(count) for layer in names if isinstance(layer, COUNTED)]
    try:
        with torch.inference_mode(), _evaluating(module):
            first = next(module.parameters(), torch.empty(0))
            module(torch.zeros((1, *input_shape), dtype=first.dtype, device=first.device))
    finally:
        for hook in hooks:
            hook.remove()
    if not counted:
        raise ValueError("no convolution, linear or LSTM layer ran: count the float parent")
    return counted


def stored_bytes(path: Path) -> int:
    """Bytes of a file, or of all files below a directory.

    Raises:
        FileNotFoundError: there is no such file or directory.
    """
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size


def _layer_macs(layer: nn.Module, inputs: torch.Tensor, output: Any) -> int:
    if isinstance(layer, _ConvTransposeNd):  # every input position is multiplied with the whole kernel
        return inputs.numel() * layer.out_channels // layer.groups * math.prod(layer.kernel_size)
    if isinstance(layer, _ConvNd):
        per_output = layer.in_channels // layer.groups * math.prod(layer.kernel_size)
        return int(output.numel()) * per_output
    if isinstance(layer, nn.Linear):
        return int(output.numel()) * layer.in_features
    assert isinstance(layer, nn.LSTM)
    steps = inputs.numel() // layer.input_size  # time steps x batch
    weights = sum(p.numel() for name, p in layer.named_parameters() if name.startswith("weight"))
    return steps * weights  # each step uses each matrix once: W_ih (4H, I) and W_hh (4H, H), per layer and direction


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode, so that BatchNorm statistics stay; then every layer's own mode again."""
    modes = [(layer, layer.training) for layer in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for layer, training in modes:
            layer.training = training
