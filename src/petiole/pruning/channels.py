"""Which channels leave: a share of each group, or of all together by importance, so that little enough is left.

Counts are rounded to multiples that vector units like (8 by default): an odd count computes no faster than the next
multiple. A group that is no larger than one multiple stays whole. Where grouped convolutions tie channels, counts are
multiples of how many leave together, and as round as leaves some counts to choose from.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from petiole.errors import GateError, GoalError, UserError, unknown_choice
from petiole.pruning.structured import ChannelGroup

Scores = Mapping[str, torch.Tensor]
STEPS = 40
"""Halvings of the search for a level: more than the number of channels of any network can tell apart."""

LITTLE = 1e-6
"""Of the worst damage: what is added where damage does not rise, so that channels leave there one after the other."""
FEW_COUNTS = 4
ALL = 0.995
"""A share of the costs that is told as 1.00."""
NOTHING_LEAVES = (
    "no layer has channels that could leave (residual additions, small layers and some grouped convolutions keep "
    "theirs)"
)


class UnreachableError(GoalError):
    """Even with the fewest channels, those of ``keep``, ``least`` of the costs is left, more than the ``target``."""

    def __init__(self, option: str, target: float, least: float, keep: Mapping[str, int], hint: str) -> None:
        why = f"with the fewest channels {least:.2f} is left of what the whole network needs; {hint}"
        if least > ALL:
            why = f"{NOTHING_LEAVES}: choose another --backbone"
        super().__init__(f"{option} {target:g} cannot be reached: {why}")
        self.option, self.target, self.least, self.keep, self.hint = option, target, least, keep, hint

    def where_really(self, least: float) -> "UnreachableError":
        """The same, where ``least`` has been counted and not only estimated."""
        return UnreachableError(self.option, self.target, least, self.keep, self.hint)


def keep_counts(
    groups: Sequence[ChannelGroup], scores: Scores, level: float, *, spread: str = "uniform", multiple: int = 8
) -> dict[str, int]:
    """Channels that stay in each group at a ``level`` from 0 (all) to 1 (the fewest).

    ``uniform``: the share ``1 - level`` of each group. ``global``: those whose score is among the best ``1 - level``
    of all groups together.

    >>> groups = [ChannelGroup(name="a", channels=32, makers=("a",), users=("b",))]
    >>> keep_counts(groups, {}, 0.4)
    {'a': 16}
    """
    if spread not in ("uniform", "global"):
        raise unknown_choice("spread", spread, ["uniform", "global"])
    if spread == "global":
        each = [_tied_means(scores[group.name], group).repeat(group.tied) for group in groups]
        order = torch.cat(each).argsort(stable=True)  # equal ones go one by one
        of = torch.cat([torch.full((len(scores[group.name]),), at) for at, group in enumerate(groups)])
        gone = of[order[: min(int(level * len(order)), len(order) - 1)]].bincount(minlength=len(groups)).tolist()
        wanted = {group.name: len(scores[group.name]) - lost for group, lost in zip(groups, gone, strict=True)}
    else:
        wanted = {group.name: round((1 - level) * group.channels) for group in groups}
    return {group.name: _rounded(wanted[group.name], group, multiple) for group in groups}


def keep_by_damage(
    groups: Sequence[ChannelGroup], damage: Mapping[str, Sequence[tuple[float, float]]], level: float, *,
    multiple: int = 8,
) -> dict[str, int]:  # fmt: skip
    """Channels that stay in each group when none may do more damage than ``level`` (from 0 to 1) of the worst.

    ``damage`` holds for each group ``(share removed, damage)`` as :mod:`petiole.pruning.sensitivity` measures it; in
    between it is taken to rise evenly, and never to fall: where it does not rise, as little as can be told. A group
    without figures stays whole.

    >>> groups = [ChannelGroup(name=name, channels=32, makers=(name,), users=("z",)) for name in "ab"]
    >>> keep_by_damage(groups, {"a": [(0.5, 1.0)], "b": [(0.5, 4.0)]}, 0.5)
    {'a': 16, 'b': 24}
    """
    worst = max([0.0, *(each for found in damage.values() for _, each in found)])
    little = LITTLE * (worst or 1.0)
    keep = {}
    for group in groups:
        found = sorted(damage.get(group.name, []))
        removed = np.array([0.0, *(share for share, _ in found)])
        done = np.maximum.accumulate([0.0, *(each for _, each in found)]) + little * removed
        most = level * (worst + little)
        share = removed[-1] if done[-1] <= most else float(np.interp(most, done, removed))
        keep[group.name] = _rounded(round((1 - share) * group.channels), group, multiple)
    return keep


def _rounded(wanted: int, group: ChannelGroup, multiple: int) -> int:
    if group.channels <= multiple or wanted >= group.channels:
        return group.channels
    step = _step(group, multiple)
    unit = group.tied if group.tied > 1 else multiple
    least = -(-max(group.fewest, multiple) // unit) * unit
    return min(group.channels, max(least, int(wanted / step + 0.5) * step))


def _step(group: ChannelGroup, multiple: int) -> int:
    """What counts are multiples of: where channels are tied of how many leave together, and of the largest half,
    quarter, ... of ``multiple`` that leaves at least ``FEW_COUNTS`` of them to choose from."""
    if group.tied == 1:
        return multiple
    halved = (math.lcm(max(1, multiple >> halvings), group.tied) for halvings in range(multiple.bit_length()))
    return next((step for step in halved if FEW_COUNTS * step <= group.channels), group.tied)


def _tied_means(scores: torch.Tensor, group: ChannelGroup) -> torch.Tensor:
    """Scores ``(channels,)`` -> the means of those that leave together, ``(channels / tied,)``."""
    return scores.view(-1, group.tied).mean(1) if group.is_block else scores.view(group.tied, -1).mean(0)


def together(group: ChannelGroup, place: int) -> list[int]:
    """The channels of a group that leave together, the ``place``-th ones.

    >>> from dataclasses import replace
    >>> group = ChannelGroup(name="a", channels=6, makers=("a",), users=("b",), tied=2)
    >>> together(group, 1), together(replace(group, is_block=True), 1)
    ([1, 4], [2, 3])
    """
    first, step = (place * group.tied, 1) if group.is_block else (place, group.channels // group.tied)
    return [first + step * each for each in range(group.tied)]


def remaining(groups: Sequence[ChannelGroup], keep: Mapping[str, int], costs: Mapping[str, int]) -> float:
    """What is left of the ``costs`` of all layers (multiply-accumulates, or weights) when each group keeps ``keep``
    channels. A layer's cost falls with the share of its outputs that stay, times that of its inputs; a group may hold a
    part of either.

    >>> group = ChannelGroup(name="a", channels=8, makers=("a",), users=("b",))
    >>> remaining([group], {"a": 4}, {"a": 100, "b": 60, "c": 1})
    81.0
    """
    outputs, inputs = dict.fromkeys(costs, 1.0), dict.fromkeys(costs, 1.0)
    for group in groups:
        gone = 1 - keep[group.name] / group.channels
        for layer in group.makers:
            outputs[layer] -= gone * group.of_outputs.get(layer, 1.0)
        for layer in group.users:
            inputs[layer] -= gone * group.of_inputs.get(layer, 1.0)
    return sum(outputs[name] * inputs[name] * cost for name, cost in costs.items())


def within(
    groups: Sequence[ChannelGroup],
    costs: Mapping[str, int],
    target: float,
    counts: Callable[[float], dict[str, int]],
    *,
    option: str = "--macs",
    hint: str = "ask for that or more",
) -> dict[str, int]:
    """The largest counts of channels that stay whose costs are at most the share ``target`` of the whole.

    ``counts(level)`` gives fewer channels the higher the level, from 0 to 1: :func:`keep_counts`, for example.
    ``option`` is what the user calls the target, ``hint`` what to do where it cannot be reached.

    Raises:
        UserError: ``target`` is not between 0 and 1.
        UnreachableError: it cannot be reached; the message says how far it goes.
    """
    if not 0 < target < 1:
        raise UserError(f"{option} {target:g} is not between 0 and 1: give the share that should be left, such as 0.5")

    def share(level: float) -> float:
        return remaining(groups, counts(level), costs) / sum(costs.values())

    if (least := share(1.0)) > target:
        raise UnreachableError(option, target, least, counts(1.0), hint)
    return counts(smallest(lambda level: share(level) <= target))


def smallest(holds: Callable[[float], bool], *, halvings: int = STEPS) -> float:
    """The smallest level from 0 to 1 at which ``holds``, which it does at 1; to one part in 2 to the ``halvings``."""
    low, high = 0.0, 1.0
    for _ in range(halvings):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def least_important(groups: Sequence[ChannelGroup], scores: Scores, keep: Mapping[str, int]) -> dict[str, list[int]]:
    """The channels of each group that leave so that ``keep`` stay, the least important ones (of tied channels, whose
    counts are multiples, by the mean of their scores); groups that lose none are left out.

    Raises:
        GateError: no channel would leave.
    """
    removed = {}
    for group in groups:
        count = group.channels - keep[group.name]
        if count:
            places = _tied_means(scores[group.name], group).argsort()[: count // group.tied].tolist()
            removed[group.name] = sorted(channel for place in places for channel in together(group, place))
    if not removed:
        raise GateError("no channel would leave: prune more")
    return removed
