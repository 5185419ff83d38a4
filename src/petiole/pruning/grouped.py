"""Grouped convolutions lose the same places of each of their groups, group normalization whole groups.

A convolution of inputs 0 to 3 in two groups makes half of its outputs of 0 and 1, the other half of 2 and 3; its weight
has a column for each *place* in a group, 0 and 1. Without input 0 the column of place 0 can leave only if input 2, at
the same place of the other group, leaves too: 0 and 2 are *tied*, and so are 1 and 3. Outputs are tied likewise. That
is how torch-pruning cuts (``prune_conv_in_channels`` keeps the same columns in all rows); the number of groups stays.

GroupNorm (Wu and He 2018) takes the mean and variance of neighbours: of 8 channels in four groups, of 0 and 1, of 2 and
3, ... Without 0 those of 1 would be others. Without 0 and 1 all others stay as they are, in three groups.
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


def tied(found: Any, channels: int) -> tuple[int, bool]:
    """How many of all ``channels`` of a ``tp.Group`` leave together, and whether neighbours do: else ``j, j + w, ...``
    with ``w = channels / tied``.

    1 where no grouped convolution or GroupNorm has them, else the number of a convolution's groups or of the channels
    of a norm's group (of several, the least common multiple); all where one has them in part or in another order, or
    where there is both, so that none can leave, nor can they where torch-pruning takes a convolution for depthwise that
    makes one output of several inputs.
    """
    places, neighbours = {1}, {1}
    for item in found.items:
        layer = item.dep.target.module
        if is_depthwise(layer) and layer.in_channels != layer.out_channels:
            return channels, False
        if not _has_groups(layer):
            continue
        pairs = sorted(zip(item.idxs, item.root_idxs, strict=True))
        if pairs != [(each, each) for each in range(channels)] or _all(layer, item.dep) != channels:
            return channels, False
        if isinstance(layer, nn.GroupNorm):
            neighbours.add(channels // layer.num_groups)
        else:
            places.add(layer.groups)
    if len(places) > 1 and len(neighbours) > 1:
        return channels, False
    return math.lcm(*places, *neighbours), len(neighbours) > 1


def is_even(part: Any) -> bool:
    """Whether what would leave with a ``tp.Group`` has the same places in all groups of each grouped convolution, and
    only whole groups of each GroupNorm."""
    return all(
        _is_even(item.dep.target.module, item.dep, set(item.idxs))
        for item in part.items
        if _has_groups(item.dep.target.module)
    )


def cut(part: Any) -> None:
    """Let leave, in place, what an even ``tp.Group`` holds; groups of a GroupNorm stay as large as they were."""
    norms = {item.dep.target.module for item in part.items if isinstance(item.dep.target.module, nn.GroupNorm)}
    widths = {norm: norm.num_channels // norm.num_groups for norm in norms}
    part.prune()
    for norm, width in widths.items():
        norm.num_groups = norm.num_channels // width


def _has_groups(layer: nn.Module) -> bool:
    """Whether a layer treats its channels by group."""
    is_grouped = isinstance(layer, nn.Conv2d) and layer.groups > 1 and not is_depthwise(layer)
    return is_grouped or isinstance(layer, nn.GroupNorm)


def _all(layer: nn.Module, dependency: Any) -> int:
    """How many channels a layer has on the side that a dependency is of."""
    if isinstance(layer, nn.GroupNorm):
        return layer.num_channels
    return size(layer, int(dependency.handler == tp.prune_conv_in_channels))


def _is_even(layer: nn.Module, dependency: Any, indices: Collection[int]) -> bool:
    groups = layer.num_groups if isinstance(layer, nn.GroupNorm) else convolution_groups(layer)
    width = _all(layer, dependency) // groups
    if isinstance(layer, nn.GroupNorm):
        return len(indices) == width * len({index // width for index in indices})
    return len(indices) == groups * len({index % width for index in indices})


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
