"""What convolutions see and answer at some places of their outputs."""

from collections.abc import Sequence

import torch
from torch import nn


def at(pixels: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Values ``(N, C, H, W)`` at places ``(2, P)``, as ``(N * P, C)``."""
    return pixels[:, :, places[0], places[1]].permute(0, 2, 1).reshape(-1, pixels.shape[1])


def patches(
    inputs: torch.Tensor, kernel: Sequence[int], places: torch.Tensor,
    stride: Sequence[int], padding: Sequence[int] | str, dilation: Sequence[int],
) -> torch.Tensor:  # fmt: skip
    """What the convolution sees at output places ``(2, P)``: ``(N * P, C * kh * kw)``. ``padding`` is as
    ``nn.Conv2d`` takes it."""
    (sh, sw), (dh, dw) = _pair(stride), _pair(dilation)
    (top, bottom), (left, right) = _margins(padding, kernel, (dh, dw))
    padded = nn.functional.pad(inputs, (left, right, top, bottom)) if top or bottom or left or right else inputs
    rows = (places[0] * sh)[:, None] + torch.arange(kernel[0]) * dh  # (P, kh)
    columns = (places[1] * sw)[:, None] + torch.arange(kernel[1]) * dw  # (P, kw)
    seen = padded[:, :, rows[:, :, None], columns[:, None, :]]  # (N, C, P, kh, kw)
    return seen.permute(0, 2, 1, 3, 4).reshape(len(inputs) * places.shape[1], -1).float()


def _margins(padding: Sequence[int] | str, kernel: Sequence[int], dilation: Sequence[int]) -> list[tuple[int, int]]:
    """How many zeros stand before and behind, of rows and of columns.

    >>> _margins("same", (3, 2), (2, 1))
    [(2, 2), (0, 1)]
    >>> _margins((1, 0), (3, 2), (2, 1))
    [(1, 1), (0, 0)]
    """
    if padding == "valid":
        return [(0, 0), (0, 0)]
    if isinstance(padding, str):  # same: where one more is needed it stands behind
        needed = [step * (size - 1) for step, size in zip(dilation, kernel, strict=True)]
        return [(each // 2, each - each // 2) for each in needed]
    return [(each, each) for each in _pair(padding)]


def _pair(value: Sequence[int]) -> tuple[int, int]:
    return value[0], value[-1]
