"""Which channels of a photo network leave, as the options say: importance, spread, share of MACs."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import cast

import torch
from torch import nn
from torch.nn import functional as F

from petiole.errors import GateError, unknown_choice
from petiole.pruning.channels import Scores, keep_by_damage, keep_counts, within
from petiole.pruning.choices import IMPORTANCES, Importance
from petiole.pruning.contribution import contributions
from petiole.pruning.step_scores import Score
from petiole.pruning.structured import ChannelGroup, Dependencies, ImportanceError

BATCH_IMAGES = 16
MULTIPLE = 16
"""Channel counts inside photo networks are multiples of it: what a vector unit takes at once. With multiples of 8 the
same share of multiply-accumulates takes 5% longer in int8 (docs/log.md)."""
BY = {
    "contribution": "that contribute least to the layers behind (their variance times the squared weights there)",
    "random": "chosen at random",
    "l1": "whose weights have the least L1 norm",
    "l2": "whose weights have the least L2 norm",
    "taylor": "whose weights times their gradients (Taylor) are least",
    "bn_scale": "whose BatchNorm scales are least (layers without BatchNorm stay whole)",
}
"""Words for the importances: which channels leave, "those ..."."""
TIE = 1e-9
"""Of the mean score: no two different scores in float32 near it are so close."""
Damages = Mapping[str, Sequence[tuple[float, float]]]
"""By group: share removed, and the damage it does (:func:`petiole.pruning.channels.keep_by_damage`)."""


def scorer(importance: str, inputs: torch.Tensor, labels: torch.Tensor, seed: int) -> Score:
    """How much channels matter, by one of ``petiole.pruning.choices.IMPORTANCES``.

    ``inputs`` ``(N, C, H, W)`` and ``labels`` ``(N,)`` are of the training split; ``contribution`` and ``taylor`` look
    at them. ``bn_scale`` leaves out groups without BatchNorm: they stay whole.

    Raises:
        UserError: no such importance.
        GateError: (when it is called) as :meth:`petiole.pruning.structured.Dependencies.scores`.
    """
    if importance not in IMPORTANCES:
        raise unknown_choice("importance", importance, list(IMPORTANCES))
    if importance == "contribution":
        return lambda dependencies, groups: contributions(dependencies.network, groups, inputs)
    if importance == "bn_scale":
        return _bn_scales

    def score(dependencies: Dependencies, groups: Sequence[ChannelGroup]) -> Scores:
        if importance == "taylor":
            _differentiate(dependencies.network, inputs, labels)
        scores = dependencies.scores(cast(Importance, importance), groups, seed=seed)
        dependencies.network.zero_grad(set_to_none=True)
        return scores

    return score


def _bn_scales(dependencies: Dependencies, groups: Sequence[ChannelGroup]) -> Scores:
    """Of the groups that have BatchNorm. Equal scales, as in a network that has learned nothing, leave all layers
    alike, their first channels first.

    Raises:
        ImportanceError: none has.
    """
    scores = {}
    for group in groups:
        try:
            score = dependencies.scores("bn_scale", [group])[group.name].double()
        except ImportanceError:
            continue
        scores[group.name] = score + TIE * torch.linspace(0, 1, len(score), dtype=torch.float64)
    if not scores:
        raise ImportanceError(
            "--importance bn_scale says nothing about this network: no layer whose channels could leave has BatchNorm; "
            "choose another, such as contribution"
        )
    return scores


def _differentiate(network: nn.Module, inputs: torch.Tensor, labels: torch.Tensor) -> None:
    """Gradients of the mean cross-entropy, in eval mode."""
    network.zero_grad(set_to_none=True)
    with torch.enable_grad():
        for some, wanted in zip(inputs.split(BATCH_IMAGES), labels.split(BATCH_IMAGES), strict=True):
            (F.cross_entropy(network(some), wanted, reduction="sum") / len(labels)).backward()


def inner(groups: Sequence[ChannelGroup]) -> tuple[ChannelGroup, ...]:
    """The groups that may lose channels. Those that residual additions share may not: they cost far more accuracy for
    what they save (docs/log.md), so that they may only where there are no others (RepVGG adds all that it makes); nor
    may those that grouped convolutions or norms tie all together."""
    free = [group for group in groups if group.users and (group.tied == 1 or group.tied < group.channels)]
    return tuple(group for group in free if not group.is_added) or tuple(free)


def of_first(groups: Sequence[ChannelGroup], first: str) -> tuple[ChannelGroup, ...]:
    """The group that holds the outputs of the first convolution."""
    return tuple(group for group in groups if first in group.makers)


def behind_first(groups: Sequence[ChannelGroup], first: str) -> tuple[ChannelGroup, ...]:
    """The :func:`inner` groups without the first convolution's."""
    return inner([group for group in groups if first not in group.makers])


class ShareError(GateError):
    """A share of the channels that rounds to none, where a larger one would not."""


def share_of_counts(
    amount: float, spread: str = "uniform", *, multiple: int = 8, option: str = "--amount"
) -> Callable[[Sequence[ChannelGroup], Scores, float], Mapping[str, int]]:
    """How many channels stay when ``amount`` of each group (or, ``global``, of all together) leaves in the end.

    Raises:
        ShareError: (when it is called) in the end none would leave; the message says from which amount on some do.
        GateError: none would leave whatever the amount.
    """

    def keep(groups: Sequence[ChannelGroup], scores: Scores, share: float) -> Mapping[str, int]:
        counts = partial(keep_counts, groups, scores, spread=spread, multiple=multiple)
        if share == 1:
            _require_fewer(groups, counts, amount, f"{option} {amount:g}", multiple)
        return counts(share * amount)

    return keep


def _require_fewer(
    groups: Sequence[ChannelGroup], counts: Callable[[float], Mapping[str, int]], amount: float, option: str,
    multiple: int,
) -> None:  # fmt: skip
    whole = {group.name: group.channels for group in groups}
    if counts(amount) != whole:
        return
    what = f"channels of {len(groups)} groups"
    if len(groups) == 1:
        what = f"{groups[0].channels} channels of {groups[0].name}"
    percents = (each for each in range(1, 100) if counts(each / 100) != whole)
    least = next(percents, None)
    steps = (
        "channels leave in steps" if any(group.tied > 1 for group in groups) else f"counts are multiples of {multiple}"
    )
    none = f"{option} removes none of the {what} ({steps})"
    if least is None:
        raise GateError(f"{none}: they are too few: choose another --backbone")
    raise ShareError(f"{none}: give {least / 100:g} or more")


def share_of_costs(
    costs: Mapping[str, int], target: float, spread: str, damage: Damages | None = None, *, multiple: int = MULTIPLE,
    option: str = "--macs",
) -> Callable[[Sequence[ChannelGroup], Scores, float], Mapping[str, int]]:  # fmt: skip
    """How many channels stay when ``target`` of the ``costs`` of all layers
    (:func:`petiole.bench.footprint.layer_macs`) is left in the end: spread ``global`` or ``uniform``, or by ``damage``
    where it was measured. Counts are multiples of ``multiple``; ``option`` is what the user calls the target.

    Raises:
        UserError: (when it is called) ``target`` is not between 0 and 1.
        UnreachableError: (when it is called) it cannot be reached; the message says how far it goes.
    """

    def keep(groups: Sequence[ChannelGroup], scores: Scores, share: float) -> Mapping[str, int]:
        counts = partial(keep_counts, groups, scores, spread=spread, multiple=multiple)
        hint = "ask for that or more"
        if damage is not None:
            counts = partial(keep_by_damage, groups, damage, multiple=multiple)
            hint += ", or take --spread global: no group loses more than its sensitivity was measured for"
        left = 1 - share * (1 - target)
        return within(groups, costs, left, counts, option=option, hint=hint)

    return keep
