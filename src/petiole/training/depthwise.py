"""Depthwise convolutions in bfloat16 whose gradients are computed in the precision that is fast on CPUs.

oneDNN's bfloat16 gradients of a depthwise convolution are up to fifteen times slower than its float32 ones where the
stride is 2 (input) or the kernel is 5x5 (weights), and take three quarters of EfficientNet-Lite0's training time
(`benchmarks/training.py`). Forward passes and all other gradients stay in bfloat16.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class DepthwiseGradients(TorchFunctionMode):
    """While entered, depthwise ``conv2d`` calls under bfloat16 autocast get the fast gradients."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Pass every call on, except the convolutions that this is about."""
        kwargs = kwargs or {}
        if func is not torch.conv2d or not torch.is_autocast_enabled("cpu"):
            return func(*args, **kwargs)
        return _conv2d(*args, **kwargs)


def _conv2d(
    inputs: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> torch.Tensor:
    depthwise = groups > 1 and groups == inputs.shape[-3] == weight.shape[0] and inputs.dim() == 4
    if not depthwise or isinstance(padding, str):
        return torch.conv2d(inputs, weight, bias, stride, padding, dilation, groups)
    output: torch.Tensor = _Depthwise.apply(inputs, weight, _pair(stride), _pair(padding), _pair(dilation))
    return output if bias is None else output + bias.to(output.dtype).view(-1, 1, 1)


def _pair(value: Any) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)


class _Depthwise(torch.autograd.Function):
    """A depthwise convolution: bfloat16 forward, each gradient in its faster precision."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: torch.Tensor,
        weight: torch.Tensor,
        stride: list[int],
        padding: list[int],
        dilation: list[int],
    ) -> torch.Tensor:
        """``(N, C, H, W)`` with ``weight (C, 1, k, k)`` -> ``(N, C, H', W')`` in bfloat16."""
        ctx.geometry = stride, padding, dilation
        ctx.dtypes = inputs.dtype, weight.dtype
        low, kernel = inputs.to(torch.bfloat16), weight.to(torch.bfloat16)
        ctx.save_for_backward(low, kernel)
        return torch.conv2d(low, kernel, None, stride, padding, dilation, len(weight))

    @staticmethod
    def backward(
        ctx: Any, *gradients: torch.Tensor
    ) -> tuple[torch.Tensor | None, torch.Tensor | None, None, None, None]:
        """Gradients of the inputs and of the weight."""
        gradient = gradients[0]
        inputs, weight = ctx.saved_tensors
        stride, padding, dilation = ctx.geometry
        strided, large = max(stride) > 1, max(weight.shape[-2:]) > 3

        def compute(mask: list[bool], dtype: torch.dtype) -> Sequence[torch.Tensor]:
            return torch.ops.aten.convolution_backward(  # type: ignore[no-any-return]
                gradient.to(dtype), inputs.to(dtype), weight.to(dtype), None, stride, padding, dilation,
                False, [0, 0], len(weight), mask,
            )  # fmt: skip

        to_inputs = to_weight = None
        if ctx.needs_input_grad[0]:
            to_inputs = compute([True, False, False], torch.float32 if strided else torch.bfloat16)[0].to(ctx.dtypes[0])
        if ctx.needs_input_grad[1]:
            low = torch.bfloat16 if not strided and not large else torch.float32
            to_weight = compute([False, True, False], low)[1].to(ctx.dtypes[1])
        return to_inputs, to_weight, None, None, None
