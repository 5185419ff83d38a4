"""What prunes a network step by step: masks that grow, or channels that are masked and leave at the end.

Both mask first: with the weights at zero that take in a channel, it reaches nothing any more, so that one loop can
choose, refit and retrain for both (:mod:`petiole.chain.prune_retrain`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import nn

from petiole.errors import GateError, UserError
from petiole.pruning.channel_gates import require_same
from petiole.pruning.channels import (
    NOTHING_LEAVES,
    Scores,
    UnreachableError,
    least_important,
    remaining,
    smallest,
)
from petiole.pruning.schedule import steps_that_prune
from petiole.pruning.step_scores import Score, StepScores
from petiole.pruning.structured import ChannelGroup, Dependencies, Plan
from petiole.pruning.trial import unfollowable
from petiole.pruning.unstructured import Masks, Method, Scope, hold, prunable, prune_weights, require_sparsity

Choose = Callable[[Sequence[ChannelGroup]], tuple[ChannelGroup, ...]]
Keep = Callable[[Sequence[ChannelGroup], Scores, float], Mapping[str, int]]
TOLERANCE = 0.01
"""Of all costs: how much more than the channels say may leave."""
NOTHING_FOLLOWED = (
    "no layer has channels that could leave and change nothing else: those that could be tried are shuffled, split at "
    "fixed places, or weighed or normalized together"
)
HALVINGS = 10
"""Of the search for how many may leave where they fall together; each costs a walk through all groups."""


class Pruner(Protocol):
    """A network under way to what it is pruned to."""

    network: nn.Module

    def steps(self, shares: Sequence[float]) -> tuple[float, ...]:
        """Those of ``shares`` at which more is gone than before, and the last: other steps would do nothing."""

    def prune(self, share: float) -> Masks:
        """Zero the weights that go when ``share`` of the pruning is done, in place; returns all masks so far."""

    def finish(self) -> None:
        """All is pruned and refitted: let leave what can leave."""

    def hold(self) -> None:
        """Keep pruned weights at zero: call it after every optimizer step."""

    def require(self) -> float | None:
        """The gate, after every epoch: nothing has come back. Returns the sparsity, where it means something."""


@dataclass(kw_only=True)
class MaskPruner:
    """Single weights, by chance or by magnitude; magnitudes are looked at anew in each step."""

    network: nn.Module
    amount: float
    method: Method
    scope: Scope
    seed: int
    masks: Masks = field(default_factory=dict)
    reached: float = 0.0

    def steps(self, shares: Sequence[float]) -> tuple[float, ...]:
        total = sum(layer.get_parameter("weight").numel() for _, layer in prunable(self.network, self.scope))
        return steps_that_prune(shares, [round(share * self.amount * total) for share in shares], 0)

    def prune(self, share: float) -> Masks:
        self.reached = share * self.amount
        self.masks = prune_weights(
            self.network, amount=self.reached, method=self.method, scope=self.scope, seed=self.seed
        )
        return self.masks

    def finish(self) -> None:
        """Masked weights stay where they are, at zero."""

    def hold(self) -> None:
        hold(self.network, self.masks)

    def require(self) -> float:
        return require_sparsity(self.network, self.masks, self.reached)


@dataclass(kw_only=True)
class Unpruned:
    """Nothing is pruned: the control, which goes through all else that pruned networks do."""

    network: nn.Module

    def steps(self, shares: Sequence[float]) -> tuple[float, ...]:
        return tuple(shares)

    def prune(self, share: float) -> Masks:
        return {}

    def finish(self) -> None:
        """Nothing leaves."""

    def hold(self) -> None:
        """Nothing is held."""

    def require(self) -> None:
        """Nothing was pruned that could come back."""


class ChannelPruner:
    """Channels. ``score`` says how much each matters in the network as it is, ``keep`` how many stay.

    ``choose`` takes the groups that may lose channels from all that hold no output of a ``protected`` layer. ``costs``
    are those that ``keep`` goes by, if it does: where more than ``TOLERANCE`` less of them is really left than the
    channels say, since some fall together (GhostNet uses tensors twice), fewer leave; so do they where a layer would
    lose all. Groups that ``score`` leaves out stay whole.

    Raises:
        GateError: no group may lose channels, or none loses any.
    """

    def __init__(
        self, network: nn.Module, example: torch.Tensor, *, protected: Collection[str], choose: Choose, score: Score,
        keep: Keep, costs: Mapping[str, int] | None = None,
    ) -> None:  # fmt: skip
        self.network, self.costs = network, costs
        self.keep = keep
        self.dependencies = Dependencies(network, example, protected=protected)
        self._scores = StepScores(self.dependencies, score)
        chosen = choose(self.dependencies.groups)
        self.kept = unfollowable(self.dependencies, chosen)
        self.groups = tuple(group for group in chosen if group.name not in self.kept)
        self.removed: dict[str, list[int]] = {}
        self.masks: Masks = {}
        self.plan: Plan = []
        if not chosen:
            raise GateError(f"{NOTHING_LEAVES}: choose another --backbone")
        if not self.groups:
            raise GateError(f"{NOTHING_FOLLOWED} (such as {self.kept[0]}): choose another --backbone")

    def scores(self) -> Scores:
        """How much each channel matters in the network as it is; ``groups`` are those with scores from then on."""
        self._require_unfinished()
        scores = self._scores(self.groups)
        self.groups = tuple(group for group in self.groups if group.name in scores)
        return scores

    def steps(self, shares: Sequence[float]) -> tuple[float, ...]:
        """Those of ``shares`` at which more is gone than before, and the last."""
        if len(shares) == 1:
            return tuple(shares)  # nothing to compare, and scores take a while
        scores, whole = self.scores(), self._whole
        # The last one first: what cannot be reached is told as it was asked for.
        left = [self._counts(scores, share) for share in reversed(shares)][::-1]
        return steps_that_prune(shares, left, whole)

    def prune(self, share: float) -> Masks:
        """Choose the channels that are gone when ``share`` of the pruning is done, and zero, in place, the weights that
        take them in; returns masks of those weights (True: kept).

        Raises:
            UserError: ``share`` is not above 0 and at most 1.
            GateError: none would leave, a layer would lose all, or the channels have left the network (:meth:`finish`).
            UnreachableError: ``keep`` cannot reach what it should.
        """
        if not 0 < share <= 1:
            raise UserError(f"a share of {share:g} of the pruning is not above 0 and at most 1: give one such as 0.5")
        scores = self.scores()
        gone = {name: len(channels) for name, channels in self.removed.items()}
        counts = self._counts(scores, share)
        # Rounding of an earlier step may have taken more of a group than this share asks for: they stay gone.
        keep = {each.name: min(counts[each.name], each.channels - gone.get(each.name, 0)) for each in self.groups}
        self.removed = least_important(self.groups, scores, keep)
        self.dependencies.require_some_left(self.removed)
        self._scores.leave(self.removed, scores)
        self.masks = self.dependencies.user_masks(self.removed)
        self.hold()
        return self.masks

    @property
    def _whole(self) -> dict[str, int]:
        return {group.name: group.channels for group in self.groups}

    def _fewest(self, group: ChannelGroup, scores: Scores) -> int:
        """How many channels of a group must stay for no layer to lose all."""

        def holds(stay: int) -> bool:
            removed = least_important([group], scores, {group.name: stay})
            return self.dependencies.emptied(removed) is None

        if group.channels == group.tied or holds(group.tied):
            return group.tied
        low, high = 1, group.channels // group.tied
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if holds(middle * group.tied) else (middle, high)
        return high * group.tied

    def _counts(self, scores: Scores, share: float) -> Mapping[str, int]:
        """How many channels stay in each group when ``share`` of the pruning is done."""
        groups = [replace(group, fewest=self._fewest(group, scores)) for group in self.groups]
        costs = self.costs
        if costs is None:
            return self.keep(groups, scores, share)

        def keep(part: float) -> tuple[Mapping[str, int], UnreachableError | None]:
            try:
                return self.keep(groups, scores, part * share), None
            except UnreachableError as error:
                return error.keep, error

        def really(counts: Mapping[str, int]) -> float:
            if counts == self._whole:
                return float(sum(costs.values()))
            removed = least_important(groups, scores, counts)
            return 0.0 if self.dependencies.emptied(removed) else self.dependencies.costs_left(removed, costs)

        counts, error = keep(1.0)
        least, total = really(counts), sum(costs.values())
        if abs(remaining(groups, counts, costs) - least) <= TOLERANCE * total:
            if error is not None:
                raise error
            return counts
        wanted = remaining(groups, counts, costs) if error is None else error.target * total
        if error is not None and least > wanted:
            raise error.where_really(least / total)
        return keep(smallest(lambda part: really(keep(part)[0]) <= wanted, halvings=HALVINGS))[0]

    def finish(self) -> None:
        """Let the masked channels leave.

        Raises:
            GateError: the network answers otherwise then: what was chosen and refitted under the masks was another one.
                Or the channels have left before, or none was chosen.
        """
        self._require_unfinished()
        masked = self._answers()
        self.plan = self.dependencies.remove(self.removed)
        self.masks = {}
        require_same(self.network, self.dependencies.example, masked)

    def _require_unfinished(self) -> None:
        if self.plan:
            raise GateError("the channels have left this network: make another ChannelPruner to remove more")

    @torch.no_grad()
    def _answers(self) -> torch.Tensor:
        answers: torch.Tensor = self.network.eval()(self.dependencies.example)
        return answers

    def hold(self) -> None:
        """Keep what is masked at zero: call it after every optimizer step."""
        hold(self.network, self.masks)

    def require(self) -> None:
        """Channels that have left cannot come back; until then their users' weights must be zero."""
        for name, mask in self.masks.items():
            if bool(self.network.get_parameter(name)[~mask].any()):
                raise GateError(f"weights of {name} behind removed channels are no longer zero")
