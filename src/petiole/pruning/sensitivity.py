"""How much a network depends on each of its layers: one at a time loses some of it, and nothing makes up for that.

Li et al. 2017, "Pruning Filters for Efficient ConvNets", section 3.2, look at networks so. What is refitted or
retrained afterwards suffers less; the order is what counts.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from petiole.pruning.channels import Scores, keep_counts, least_important
from petiole.pruning.structured import ChannelGroup, Dependencies
from petiole.pruning.unstructured import hold, prunable

Judge = Callable[[nn.Module], tuple[int, float]]
"""A network -> pictures that it is right about, and its mean loss (nats), on training pictures."""


@dataclass(frozen=True, kw_only=True)
class Damage:
    """What it costs that ``removed`` of ``of`` channels (or weights) of a group (or layer) are gone; ``asked`` is the
    share that should have been removed. ``removed`` may be 0: nothing could be, and then nothing is said about it."""

    name: str
    kind: str
    asked: float
    removed: int
    of: int
    correct: int
    loss: float


def of_channels(
    dependencies: Dependencies, groups: Sequence[ChannelGroup], scores: Scores, amounts: Sequence[float], judge: Judge,
    *, multiple: int = 8,
) -> Iterator[Damage]:  # fmt: skip
    """Each dependency group without ``amounts`` of its channels, the least important ones; the network stays whole."""
    untouched: tuple[int, float] | None = None  # the verdict where nothing could be removed
    for group in groups:
        before = 0
        for amount in sorted(amounts):
            keep = keep_counts([group], scores, amount, multiple=multiple)[group.name]
            removed = group.channels - keep
            if removed and removed == before:
                continue  # rounding has come to the same count again
            before = removed
            masked = copy.deepcopy(dependencies.network)
            if removed:
                hold(masked, dependencies.user_masks(least_important([group], scores, {group.name: keep})))
                correct, loss = judge(masked)
            else:
                correct, loss = untouched = untouched or judge(masked)
            yield Damage(
                name=group.name, kind="channels", asked=amount, removed=removed, of=group.channels, correct=correct,
                loss=loss,
            )  # fmt: skip


def of_weights(network: nn.Module, amounts: Sequence[float], judge: Judge) -> Iterator[Damage]:
    """Each convolution and linear layer without ``amounts`` of its weights, the smallest; the network stays whole."""
    for name, layer in prunable(network, "global"):
        weight = layer.get_parameter("weight").detach().abs()
        for amount in sorted(amounts):
            removed, mask = round(amount * weight.numel()), torch.ones(weight.numel(), dtype=torch.bool)
            masked = copy.deepcopy(network)
            mask[weight.flatten().argsort()[:removed]] = False
            hold(masked, {f"{name}.weight": mask.view(weight.shape)})
            correct, loss = judge(masked)
            yield Damage(
                name=name, kind="weights", asked=amount, removed=removed, of=weight.numel(), correct=correct, loss=loss
            )
