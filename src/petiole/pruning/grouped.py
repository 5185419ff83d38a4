"""Grouped convolutions: the same places leave each of their groups, and the number of groups stays.

A convolution of inputs 0 to 3 in two groups makes half of its outputs of 0 and 1, the other half of 2 and 3; its weight
has a column for each *place* in a group, 0 and 1. Without input 0 the column of place 0 can leave only if input 2, at
the same place of the other group, leaves too: 0 and 2 are *tied*, and so are 1 and 3. Outputs are tied likewise. That
is how torch-pruning cuts (``prune_conv_in_channels`` keeps the same columns in all rows).
"""

import math
from collections.abc import Collection
from typing import Any

import torch
import torch_pruning as tp
from torch import nn


def is_depthwise(layer: nn.Module) -> bool:
    """Whether a convolution hands its channels on, each by itself (what torch-pruning takes for depthwise)."""
    return isinstance(layer, nn.Conv2d) and layer.groups == layer.out_channels > 1


def convolution_groups(layer: nn.Module) -> int:
    """Of a convolution; a linear layer has one."""
    return layer.groups if isinstance(layer, nn.Conv2d) else 1


def size(layer: nn.Module, side: int) -> int:
    """How many outputs (side 0) or inputs (side 1) a convolution or linear layer has."""
    return layer.get_parameter("weight").shape[side] * (convolution_groups(layer) if side else 1)


def tied(found: Any, channels: int) -> int:
    """How many of all ``channels`` of a ``tp.Group`` leave together: ``j, j + w, ...`` with ``w = channels / tied``.

    1 where no grouped convolution makes them or takes them in, else the number of its groups (of several, the least
    common multiple); all where one has them in part or in another order, so that none can leave, nor can they where
    torch-pruning takes a convolution for depthwise that makes one output of several inputs.
    """
    numbers = [1]
    for item in found.items:
        layer = item.dep.target.module
        if is_depthwise(layer) and layer.in_channels != layer.out_channels:
            return channels
        if _is_grouped(layer):
            pairs = sorted(zip(item.idxs, item.root_idxs, strict=True))
            if pairs != [(each, each) for each in range(channels)] or size(layer, _side(item.dep)) != channels:
                return channels
            numbers.append(layer.groups)
    return math.lcm(*numbers)


def is_even(part: Any) -> bool:
    """Whether what would leave with a ``tp.Group`` has the same places in all groups of each grouped convolution."""
    return all(
        _same_places(item.dep.target.module, _side(item.dep), set(item.idxs))
        for item in part.items
        if _is_grouped(item.dep.target.module)
    )


def _is_grouped(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv2d) and layer.groups > 1 and not is_depthwise(layer)


def _side(dependency: Any) -> int:
    return int(dependency.handler == tp.prune_conv_in_channels)


def _same_places(layer: nn.Conv2d, side: int, indices: Collection[int]) -> bool:
    width = size(layer, side) // layer.groups
    return len(indices) == layer.groups * len({index % width for index in indices})


def mask_inputs(mask: torch.Tensor, layer: nn.Module, inputs: Collection[int]) -> None:
    """Set, in place, a ``mask`` of the weight's shape to False where the weight meets ``inputs``: in the column of
    their place, in the rows of their group."""
    groups, width = convolution_groups(layer), mask.shape[1]
    each = torch.tensor(list(inputs), dtype=torch.long)
    mask.view(groups, -1, *mask.shape[1:])[each // width, :, each % width] = False


def powers(layer: nn.Module) -> torch.Tensor:
    """The sum of the squared weights that meet each input, ``(inputs,)``.

    >>> layer = nn.Conv2d(4, 2, 1, groups=2)
    >>> layer.weight.data = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).view(2, 2, 1, 1)
    >>> powers(layer).tolist()
    [1.0, 4.0, 9.0, 16.0]
    """
    weight = layer.get_parameter("weight").detach()
    squares = weight.square().unflatten(0, (convolution_groups(layer), -1))  # (groups, outputs, places, ...)
    found: torch.Tensor = squares.transpose(1, 2).flatten(2).sum(2).flatten()
    return found
