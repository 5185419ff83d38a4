"""Which channels leave: a share of each group, or of all together by importance, so that few enough MACs are left.

Counts are rounded to multiples that vector units like (8 by default): an odd count computes no faster than the next
multiple. A group that is no larger than one multiple stays whole.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch

from petiole.errors import GateError, UserError, unknown_choice
from petiole.pruning.structured import ChannelGroup

Spread = Literal["uniform", "global"]
Scores = Mapping[str, torch.Tensor]
SPREADS: tuple[Spread, ...] = ("uniform", "global")
STEPS = 40
"""Halvings of the search for a level: more than the number of channels of any network can tell apart."""


def keep_counts(
    groups: Sequence[ChannelGroup], scores: Scores, level: float, *, spread: Spread = "uniform", multiple: int = 8
) -> dict[str, int]:
    """Channels that stay in each group at a ``level`` from 0 (all) to 1 (the fewest).

    ``uniform``: the share ``1 - level`` of each group. ``global``: those whose score is among the best ``1 - level``
    of all groups together.

    >>> groups = [ChannelGroup(name="a", channels=32, makers=("a",), users=("b",))]
    >>> keep_counts(groups, {}, 0.4)
    {'a': 16}
    """
    if spread not in SPREADS:
        raise unknown_choice("spread", spread, list(SPREADS))
    if spread == "global":
        together = torch.cat([scores[group.name] for group in groups]).sort().values
        gone = min(int(level * len(together)), len(together) - 1)
        wanted = {group.name: int((scores[group.name] >= together[gone]).sum()) for group in groups}
    else:
        wanted = {group.name: round((1 - level) * group.channels) for group in groups}
    return {group.name: _rounded(wanted[group.name], group.channels, multiple) for group in groups}


def _rounded(wanted: int, channels: int, multiple: int) -> int:
    if channels <= multiple:
        return channels
    return min(channels, max(multiple, int(wanted / multiple + 0.5) * multiple))


def remaining_macs(groups: Sequence[ChannelGroup], keep: Mapping[str, int], layer_macs: Mapping[str, int]) -> float:
    """Multiply-accumulates that are left when each group keeps ``keep`` channels; ``layer_macs`` are those of the
    whole network by layer. A layer's fall with the share of its outputs that stay, times that of its inputs.

    >>> group = ChannelGroup(name="a", channels=8, makers=("a",), users=("b",))
    >>> remaining_macs([group], {"a": 4}, {"a": 100, "b": 60, "c": 1})
    81.0
    """
    left = dict.fromkeys(layer_macs, 1.0)
    for group in groups:
        for layer in (*group.makers, *group.users):
            left[layer] *= keep[group.name] / group.channels
    return sum(share * layer_macs[name] for name, share in left.items())


def within_macs(
    groups: Sequence[ChannelGroup],
    scores: Scores,
    layer_macs: Mapping[str, int],
    target: float,
    *,
    spread: Spread = "uniform",
    multiple: int = 8,
) -> dict[str, int]:
    """The largest counts that :func:`keep_counts` gives whose MACs are at most the share ``target`` of the whole.

    Raises:
        UserError: ``target`` is not between 0 and 1, or cannot be reached; the message says how far it goes.
    """
    if not 0 < target < 1:
        raise UserError(f"--macs {target:g} is not between 0 and 1: give the share that should be left, such as 0.5")

    def share(keep: Mapping[str, int]) -> float:
        return remaining_macs(groups, keep, layer_macs) / sum(layer_macs.values())

    def at(level: float) -> dict[str, int]:
        return keep_counts(groups, scores, level, spread=spread, multiple=multiple)

    least = at(1.0)
    if share(least) > target:
        raise UserError(
            f"--macs {target:g} cannot be reached: with the fewest channels {share(least):.2f} of the "
            f"multiply-accumulates are left; ask for that or more"
        )
    return at(_smallest(lambda level: share(at(level)) <= target))


def _smallest(holds: Callable[[float], bool]) -> float:
    """The smallest level from 0 to 1 at which ``holds``, which it does at 1."""
    low, high = 0.0, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def least_important(groups: Sequence[ChannelGroup], scores: Scores, keep: Mapping[str, int]) -> dict[str, list[int]]:
    """The channels of each group that leave so that ``keep`` stay, the least important ones; groups that lose none
    are left out.

    Raises:
        GateError: no channel would leave.
    """
    removed = {}
    for group in groups:
        count = group.channels - keep[group.name]
        if count:
            removed[group.name] = sorted(scores[group.name].argsort()[:count].tolist())
    if not removed:
        raise GateError("no channel would leave: prune more, or round channel counts to smaller multiples")
    return removed
