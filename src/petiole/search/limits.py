"""What the network must keep to, and what the numbers say of that: kept, broken, or undecided."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from petiole import stats, units
from petiole.errors import UserError, unknown_choice

OBJECTIVES = ("latency", "size", "macs", "accuracy")
Verdict = Literal["kept", "broken", "undecided"]
MOST_PHOTOS = 1_000_000
"""Above so many photos it is said that no number of photos would decide."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is made as small as possible (of accuracy: as high), and what must hold meanwhile.

    ``max_drop`` and ``min_accuracy`` are fractions 0..1, of accuracy lost against the reference, and of its own.
    """

    objective: str = "latency"
    max_drop: float | None = 0.01
    min_accuracy: float | None = None
    max_latency_ms: float | None = None
    max_bytes: int | None = None
    max_macs: int | None = None

    def require_valid(self) -> None:
        """Every limit is in its range.

        Raises:
            UserError: one is not; the message says which and what is valid.
        """
        if self.objective not in OBJECTIVES:
            raise unknown_choice("objective", self.objective, list(OBJECTIVES))
        for option, value in (("--max-drop", self.max_drop), ("--min-accuracy", self.min_accuracy)):
            if value is not None and not 0 <= value <= 1:
                raise UserError(f"{option} {value * 100:g} is out of range: give points of accuracy from 0 to 100")

    def told(self) -> dict[str, Any]:
        """The limits that are set, by name, as a file holds them."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    def costs(self, *, p50_ms: float, file_bytes: int, macs: int, error: float) -> float:
        """The number that is made small."""
        return {"latency": p50_ms, "size": float(file_bytes), "macs": float(macs), "accuracy": error}[self.objective]

    def exact(self, *, p50_ms: float, file_bytes: int, macs: int) -> list["Exact"]:
        """The limits on a network's own figures, each with what it allows and what was found."""
        rows = (
            ("--max-latency", "time", self.max_latency_ms, p50_ms, units.ms),
            ("--max-size", "size", self.max_bytes, file_bytes, units.bytes),
            ("--max-macs", "count", self.max_macs, macs, units.count),
        )
        return [
            Exact(
                limit=f"{option} {units.written(most, measure)}",
                found=words(found) if words(found) != words(most) else units.written(found, measure),
                times=found / most,
            )
            for option, measure, most, found, words in rows
            if most is not None
        ]


@dataclass(frozen=True, kw_only=True)
class Exact:
    """A limit on a figure that is measured and not estimated; the figure is ``times`` what is allowed."""

    limit: str
    found: str
    times: float


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What the paired pictures say of a limit on accuracy: the difference to the reference with its interval, and
    ``photos_needed``, about how many photos would decide it (None: decided, or no number would)."""

    verdict: Verdict
    difference: float
    low: float
    high: float
    photos_needed: int | None = None


def judge_drop(lost: int, gained: int, total: int, max_drop: float) -> Judgement:
    """Whether a network loses no more than ``max_drop`` of accuracy, by the paired interval of Tango (1998).

    ``lost`` pictures only the reference called rightly, ``gained`` only the network. Kept: the whole interval lies
    above ``-max_drop``; broken: it lies below; else the pictures do not decide.
    """
    difference = (gained - lost) / total
    low, high = stats.paired_difference(lost, gained, total)
    verdict = _verdict(low, high, -max_drop)
    needed = None if verdict != "undecided" else _photos_needed(lost, gained, total, max_drop)
    return Judgement(verdict=verdict, difference=difference, low=low, high=high, photos_needed=needed)


def judge_accuracy(correct: int, total: int, least: float) -> Judgement:
    """Whether a network's accuracy is at least ``least``, by Wilson's interval; ``difference`` is that to ``least``."""
    low, high = stats.wilson(correct, total)
    verdict = _verdict(low, high, least)

    def decides(photos: int) -> bool:
        return _verdict(*stats.wilson(round(correct * photos / total), photos), least) != "undecided"

    needed = None if verdict != "undecided" else _least_that(decides, total)
    value = correct / total
    return Judgement(
        verdict=verdict, difference=value - least, low=low - least, high=high - least, photos_needed=needed
    )


def _verdict(low: float, high: float, least: float) -> Verdict:
    return "kept" if low >= least else "broken" if high < least else "undecided"


def _photos_needed(lost: int, gained: int, total: int, max_drop: float) -> int | None:
    """About how many photos would decide, if the shares of lost and gained ones stayed as they are."""

    def decides(photos: int) -> bool:
        scale = photos / total
        low, high = stats.paired_difference(lost * scale, gained * scale, photos)
        return _verdict(low, high, -max_drop) != "undecided"

    return _least_that(decides, total)


def _least_that(decides: Callable[[int], bool], too_few: int) -> int | None:
    """About the least number of photos that decides; None if :data:`MOST_PHOTOS` do not."""
    if not decides(MOST_PHOTOS):
        return None
    enough = MOST_PHOTOS
    while enough - too_few > max(1, enough // 200):
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if decides(middle) else (middle, enough)
    return enough
