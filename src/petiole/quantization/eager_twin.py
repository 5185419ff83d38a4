"""The float twin of an eager int8 network: the same numbers with quantize/dequantize operators written out.

An eager int8 network runs on torch's own kernels and cannot be exported. Its twin computes in float what these kernels
compute in integers: int8 weights are dequantized before each layer, and each activation is rounded to its uint8 scale
and back. Exported, that is the QDQ pattern which the runtimes fuse into int8 kernels again.
"""

import copy
import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from petiole.quantization import eager

UINT8 = (0, 255, torch.uint8)
DYNAMIC_STEPS = 127


class _Rounded(nn.Module):
    """Values rounded to one affine uint8 scale: quantized and dequantized."""

    def __init__(self, scale: float, zero_point: int) -> None:
        super().__init__()
        self.scale, self.zero_point = scale, zero_point

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Same shape."""
        library = eager.decomposed_operators()
        codes = library.quantize_per_tensor(values, self.scale, self.zero_point, *UINT8)
        rounded: torch.Tensor = library.dequantize_per_tensor(codes, self.scale, self.zero_point, *UINT8)
        return rounded


class _DynamicallyRounded(nn.Module):
    """Values rounded to a uint8 scale that is taken from their own range at run time.

    Of the 256 codes only 128 are used, as torch's kernels do (``reduce_range``): sums cannot saturate without VNNI.
    Written in plain arithmetic, since ONNX's ``DynamicQuantizeLinear`` would use all 256.
    """

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Same shape."""
        low, high = values.min().clamp(max=0.0), values.max().clamp(min=0.0)
        scale = ((high - low) / DYNAMIC_STEPS).clamp(min=2.0**-24)
        zero_point = (-low / scale).round()
        codes = (values / scale + zero_point).round().clamp(0, DYNAMIC_STEPS)
        return (codes - zero_point) * scale


class _Layer(nn.Module):
    """A convolution or linear layer with int8 weights, its activation function, and the rounding of its values.

    ``before`` is applied to the inputs, ``after`` to the outputs.
    """

    def __init__(
        self, int8: nn.Module, compute: Callable[..., torch.Tensor], *,
        before: nn.Module | None = None, after: nn.Module | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        weight, bias = int8.weight(), int8.bias()  # type: ignore[operator]  # methods in int8 layers
        per_channel = weight.qscheme() in (torch.per_channel_affine, torch.per_channel_symmetric)
        channels = weight.shape[0]
        scales = weight.q_per_channel_scales() if per_channel else torch.full((channels,), weight.q_scale())
        zeros = weight.q_per_channel_zero_points() if per_channel else torch.full((channels,), weight.q_zero_point())
        self.register_buffer("codes", weight.int_repr().contiguous())
        self.register_buffer("scales", scales.float())
        self.register_buffer("zero_points", zeros.to(torch.int64))
        self.register_buffer("bias", None if bias is None else bias.detach().clone())
        self.compute = compute
        self.relu = "ReLU" in type(int8).__name__
        self.before, self.after = before or nn.Identity(), after or nn.Identity()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """What the layer does in integers, in float."""
        dequantize = eager.decomposed_operators().dequantize_per_channel
        weight = dequantize(self.codes, self.scales, self.zero_points, 0, -128, 127, torch.int8)
        outputs = self.compute(self.before(inputs), weight, self.bias)
        outputs = outputs.relu() if self.relu else outputs
        rounded: torch.Tensor = self.after(outputs)
        return rounded


class _Sum(nn.Module):
    """The addition of a residual block, in place of torch's ``QFunctional``."""

    def __init__(self, rounded: nn.Module) -> None:
        super().__init__()
        self.rounded = rounded

    def add(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """``left + right``."""
        total: torch.Tensor = self.rounded(left + right)
        return total

    def add_relu(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """``relu(left + right)``."""
        total: torch.Tensor = self.rounded((left + right).relu())
        return total


def twin(network: nn.Module) -> nn.Module:
    """A copy of an eager int8 network, with every int8 module replaced by its twin; in eval mode."""
    eager.decomposed_operators()  # registered before the exporter looks for what it can translate
    copied = copy.deepcopy(network)
    scale = _Rounded(1.0, 0)
    for name, module in list(copied.named_modules()):
        replacement = _twin_of(module, scale)
        if replacement is None:
            continue
        scale = next((each for each in replacement.modules() if isinstance(each, _Rounded)), scale)
        parent, _, child = name.rpartition(".")
        setattr(copied.get_submodule(parent), child, replacement)
    return copied.eval()


def _twin_of(module: nn.Module, scale: _Rounded) -> nn.Module | None:
    """The twin of one int8 module; None for a module that stays as it is. ``scale``: of the int8 module before it.

    A mean of uint8 values is rounded to their scale; pooling by maximum needs no rounding.
    """
    library = eager.int8_modules()
    if isinstance(module, nn.AdaptiveAvgPool2d):
        return nn.Sequential(module, scale)
    if isinstance(module, library.Quantize):
        return _scale_of(module)
    if isinstance(module, library.DeQuantize):
        return nn.Identity()
    if isinstance(module, library.QFunctional):
        return _Sum(_scale_of(module))
    if isinstance(module, library.Conv2d):
        return _Layer(module, _convolution(module), after=_scale_of(module))
    if isinstance(module, library.dynamic.Linear):
        return _Layer(module, F.linear, before=_DynamicallyRounded())
    if isinstance(module, library.Linear):
        return _Layer(module, F.linear, after=_scale_of(module))
    return None


def _scale_of(module: Any) -> _Rounded:
    return _Rounded(float(module.scale), int(module.zero_point))


def _convolution(module: Any) -> Callable[..., torch.Tensor]:
    geometry = {key: getattr(module, key) for key in ("stride", "padding", "dilation", "groups")}
    return functools.partial(F.conv2d, **geometry)
