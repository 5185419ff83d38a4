"""Scores in later steps: as if the channels that left were gone already, and on the scale of the first step."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch

from petiole.pruning.structured import ChannelGroup, Dependencies

Score = Callable[[Dependencies, Sequence[ChannelGroup]], Mapping[str, torch.Tensor]]
"""How much each channel matters, ``(channels,)`` for each group; larger matters more, and none is below 0."""


class StepScores:
    """``score`` in a network whose channels leave in steps: those that have left are only masked until the last one.

    The filters that make them are zero meanwhile, so that what goes into them counts no more. Scores are compared over
    groups, and are of mean 1 in each before anything leaves. So what has left keeps the score that it left with, and
    the others have together what they had beside it: a group is not taken for one that matters more for having lost
    what mattered little.
    """

    def __init__(self, dependencies: Dependencies, score: Score) -> None:
        self._dependencies, self._score = dependencies, score
        self._whole: dict[str, float] = {}
        self._left: dict[str, dict[int, float]] = {}

    def __call__(self, groups: Sequence[ChannelGroup]) -> dict[str, torch.Tensor]:
        """The scores of ``groups``; those of channels that have left are below all others."""
        with self._gone():
            scores = self._score(self._dependencies, groups)
        return {name: self._on_first_scale(name, score) for name, score in scores.items()}

    def leave(self, removed: Mapping[str, Sequence[int]], scores: Mapping[str, torch.Tensor]) -> None:
        """``removed`` are masked from now on; they had these ``scores``."""
        for name, channels in removed.items():
            left = self._left.setdefault(name, {})
            left |= {channel: float(scores[name][channel]) for channel in channels if channel not in left}

    def _on_first_scale(self, name: str, score: torch.Tensor) -> torch.Tensor:
        left = self._left.get(name)
        if not left:
            self._whole[name] = float(score.sum())
            return score
        gone = list(left)
        score = score.index_fill(0, torch.tensor(gone), 0.0)
        score *= (self._whole[name] - sum(left.values())) / score.sum().clamp_min(1e-30)
        return score.index_fill(0, torch.tensor(gone), -torch.inf)

    @contextmanager
    def _gone(self) -> Iterator[None]:
        """The filters of what has left are zero."""
        fallen = self._dependencies.fallen({name: list(left) for name, left in self._left.items()})
        weights = {
            self._dependencies.network.get_submodule(name).get_parameter("weight"): sorted(rows)
            for (name, side), rows in fallen.items()
            if side == 0
        }
        kept = {weight: weight.detach()[rows] for weight, rows in weights.items()}
        with torch.no_grad():
            for weight, rows in weights.items():
                weight[rows] = 0.0
        try:
            yield
        finally:
            with torch.no_grad():
                for weight, rows in weights.items():
                    weight[rows] = kept[weight]
