"""What the network must keep to, and what the numbers say of that: kept, broken, or undecided."""

from dataclasses import dataclass
from typing import Literal

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

    def costs(self, *, p50_ms: float, file_bytes: int, macs: int, error: float) -> float:
        """The number that is made small."""
        return {"latency": p50_ms, "size": float(file_bytes), "macs": float(macs), "accuracy": error}[self.objective]

    def broken_by(self, *, p50_ms: float, file_bytes: int, macs: int, slack: float = 1.0) -> list[str]:
        """The limits that a network's own figures break, in words; ``slack`` times as much is let pass."""
        found = []
        if self.max_latency_ms is not None and p50_ms > slack * self.max_latency_ms:
            found.append(f"{units.ms(p50_ms)} is more than --max-latency {units.ms(self.max_latency_ms)}")
        if self.max_bytes is not None and file_bytes > slack * self.max_bytes:
            found.append(f"{units.bytes(file_bytes)} is more than --max-size {units.bytes(self.max_bytes)}")
        if self.max_macs is not None and macs > slack * self.max_macs:
            found.append(f"{units.count(macs)} MACs are more than --max-macs {units.count(self.max_macs)}")
        return found


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


def judge_accuracy(correct: int, total: int, least: float) -> Verdict:
    """Whether a network's accuracy is at least ``least``, by Wilson's interval."""
    return _verdict(*stats.wilson(correct, total), least)


def _verdict(low: float, high: float, least: float) -> Verdict:
    return "kept" if low >= least else "broken" if high < least else "undecided"


def _photos_needed(lost: int, gained: int, total: int, max_drop: float) -> int | None:
    """About how many photos would decide, if the shares of lost and gained ones stayed as they are."""

    def decides(photos: int) -> bool:
        scale = photos / total
        low, high = stats.paired_difference(lost * scale, gained * scale, photos)
        return _verdict(low, high, -max_drop) != "undecided"

    if not decides(MOST_PHOTOS):
        return None
    too_few, enough = total, MOST_PHOTOS
    while enough - too_few > max(1, enough // 200):
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if decides(middle) else (middle, enough)
    return enough
