"""What convolutions see and answer at some places of their outputs."""

from collections.abc import Sequence

import torch
from torch import nn


def at(pixels: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Values ``(N, C, H, W)`` at places ``(2, P)``, as ``(N * P, C)``."""
    return pixels[:, :, places[0], places[1]].permute(0, 2, 1).reshape(-1, pixels.shape[1])


def patches(
    inputs: torch.Tensor, kernel: Sequence[int], places: torch.Tensor,
    stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int],
) -> torch.Tensor:  # fmt: skip
    """What the convolution sees at output places ``(2, P)``: ``(N * P, C * kh * kw)``."""
    (sh, sw), (ph, pw), (dh, dw) = (_pair(each) for each in (stride, padding, dilation))
    padded = nn.functional.pad(inputs, (pw, pw, ph, ph)) if ph or pw else inputs
    rows = (places[0] * sh)[:, None] + torch.arange(kernel[0]) * dh  # (P, kh)
    columns = (places[1] * sw)[:, None] + torch.arange(kernel[1]) * dw  # (P, kw)
    seen = padded[:, :, rows[:, :, None], columns[:, None, :]]  # (N, C, P, kh, kw)
    return seen.permute(0, 2, 1, 3, 4).reshape(len(inputs) * places.shape[1], -1).float()


def _pair(value: Sequence[int]) -> tuple[int, int]:
    return value[0], value[-1]
