"""What removes channels from a copy of a photo network: of its first convolution, or of the others, by MACs."""

import copy
from functools import partial
from typing import Any

import torch
from torch import nn

from petiole.bench.footprint import layer_macs
from petiole.chain.bench import PhotoBench
from petiole.chain.channel_choice import (
    MULTIPLE,
    Damages,
    behind_first,
    of_first,
    scorer,
    share_of_costs,
    share_of_counts,
)
from petiole.models.backbones import output_layer
from petiole.pruning.pruner import ChannelPruner
from petiole.pruning.unstructured import prunable

Shown = tuple[torch.Tensor, torch.Tensor]
"""Inputs ``(N, C, H, W)`` and labels ``(N,)`` that importance is judged on."""


def inner_pruner(
    bench: PhotoBench, unpruned: nn.Module, seed: int, *, left: float, damage: Damages | None = None,
    shown: Shown | None = None, importance: str | None = None, channels: float | None = None,
) -> ChannelPruner:  # fmt: skip
    """Removes channels behind the first convolution until ``left`` of the multiply-accumulates is left, or a share of
    the ``channels`` if that is given.

    Importance, the configuration's if not given, is judged on ``shown`` (if not given, all training photos or many of
    them); channels are spread by ``damage`` where it was measured, else as the configuration says.
    """
    costs = layer_macs(unpruned, bench.backbone.preprocessing.input_shape)
    choose = partial(behind_first, first=_first(unpruned))
    keep = share_of_costs(costs, left, bench.config.spread, damage)
    if channels is not None:
        keep = share_of_counts(channels, bench.config.spread, multiple=MULTIPLE, option="--channels")
    return _pruner(bench, unpruned, seed, shown, choose=choose, costs=costs, keep=keep, importance=importance)


def first_pruner(
    bench: PhotoBench, unpruned: nn.Module, seed: int, *, amount: float, shown: Shown | None = None
) -> ChannelPruner:
    """Removes ``amount`` of the channels of the first convolution, and of what shares them; importance is judged on
    ``shown`` as by :func:`inner_pruner`."""
    choose = partial(of_first, first=_first(unpruned))
    return _pruner(bench, unpruned, seed, shown, choose=choose, keep=share_of_counts(amount))


def _first(network: nn.Module) -> str:
    (name, _), *_ = prunable(network, "first")
    return name


def _pruner(
    bench: PhotoBench, unpruned: nn.Module, seed: int, shown: Shown | None, *, importance: str | None = None,
    **how: Any,
) -> ChannelPruner:  # fmt: skip
    inputs, labels = shown or bench.choosing_inputs(seed)
    network = copy.deepcopy(unpruned)
    (output, _) = output_layer(network)
    return ChannelPruner(
        network, bench.train_inputs()[:1].contiguous(), protected=[output],
        score=scorer(importance or bench.config.importance, inputs, labels, seed), **how,
    )  # fmt: skip
