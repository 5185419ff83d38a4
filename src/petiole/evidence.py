"""What the records carry: a variant's seeds put together, and the changes that the numbers really show.

Tables show and answers tell nothing beyond this file. A change is ``"up"``, ``"down"`` or ``"unclear"``;
what is unclear is never called a gain, a loss, or a proof that two networks are equal.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from petiole import stats, units
from petiole.latency_records import DEPLOYED, Latency
from petiole.paired import Change, Flips, paired
from petiole.records import Comparison, Variant, VersusParent

REFUSED = "refused_"
"""Begins the gate of a runtime on which a network may not be used; its value is the reason."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Time of one call, in ms. Over several seeds: median ``p50`` and ``p90``, outermost quartiles. ``samples`` are the
    fewest calls that one of them was timed with."""

    runtime: str
    batch: int
    threads: int
    p25_ms: float
    p50_ms: float
    p75_ms: float
    p90_ms: float
    samples: int = 0

    @property
    def setting(self) -> tuple[str, int, int]:
        """Only timings of one setting may be compared: runtime, batch, threads."""
        return self.runtime, self.batch, self.threads


def mean_interval(corrects: Sequence[int], total: int) -> tuple[float, float, float]:
    """Mean accuracy over seeds that share ``total`` test pictures, and its 95% interval: Wilson's for one seed; for
    several, what covers both Wilson's of their mean (few pictures) and Student's t over them (few trainings)."""
    values = [correct / total for correct in corrects]
    mean, least, most = stats.mean_t_interval(values)
    low, high = stats.wilson(round(mean * total), total)
    if least is None or most is None:
        return mean, low, high
    return mean, min(low, max(0.0, least)), max(high, min(1.0, most))


@dataclass(frozen=True, kw_only=True)
class Group:
    """One variant and engine with the rows of all its seeds."""

    name: str
    engine: str
    rows: tuple[Variant, ...]

    @property
    def first(self) -> Variant:
        """The row of the first seed: for what all seeds share, such as the parent."""
        return self.rows[0]

    @property
    def label(self) -> str:
        """The name, and the quantization engine where there is one."""
        return self.name if self.engine == "torch" else f"{self.name} ({self.engine})"

    @property
    def total(self) -> int:
        """Number of test pictures."""
        return self.first.accuracy.total

    @property
    def digits(self) -> int:
        """Digits of an accuracy in per cent that are worth showing."""
        return units.digits(self.total)

    @property
    def accuracy(self) -> float:
        """Accuracy on the test split, mean over the seeds."""
        return fmean(row.accuracy.value for row in self.rows)

    @property
    def interval(self) -> tuple[float, float]:
        """95% interval that is shown: Wilson's for one seed. For several, what covers both Wilson's of their mean
        (few pictures) and Student's t over the seeds (few trainings)."""
        if len(self.rows) == 1:
            return self.first.accuracy.ci95
        _, low, high = mean_interval([row.accuracy.correct for row in self.rows], self.total)
        return low, high

    @property
    def seeds_interval(self) -> tuple[float, float]:
        """Student's t interval of the mean over several seeds, within 0..1."""
        _, low, high = stats.mean_t_interval([row.accuracy.value for row in self.rows])
        assert low is not None
        assert high is not None
        return max(0.0, low), min(1.0, high)

    @property
    def pictures_interval(self) -> tuple[float, float]:
        """Wilson interval of the mean for one test split: more seeds do not bring more pictures."""
        return stats.wilson(round(self.accuracy * self.total), self.total)

    @property
    def flips(self) -> Flips | None:
        """The paired comparison with the parent.

        With several seeds both the test of the mean flips and the t interval of the differences must show a change.
        The seeds share their test pictures: their flips are averaged and never added up, since three seeds that gain
        the same three pictures have gained three, not nine.
        """
        return self._flips(self.first.parent, [row.versus_parent for row in self.rows])

    @property
    def baseline_flips(self) -> Flips | None:
        """The paired comparison with the baseline, judged as that with the parent."""
        return self._flips(self.first.baseline, [row.versus_baseline for row in self.rows])

    def _flips(self, other: str | None, compared: list[VersusParent | None]) -> Flips | None:
        found = [(pair, row) for pair, row in zip(compared, self.rows, strict=True) if pair is not None]
        if not found or other is None:
            return None
        return paired(other, [(pair.lost, pair.gained) for pair, _ in found], self.total)

    @property
    def timings(self) -> list[Timing]:
        """One timing for each runtime, batch and threads, batch 1 first."""
        settings: dict[tuple[str, int, int], None] = {}
        for row in self.rows:
            settings.update({(time.runtime, time.batch, time.threads): None for time in row.latency})
        return [self._timing(*setting) for setting in sorted(settings, key=lambda each: each[1])]

    @property
    def singles(self) -> list[Timing]:
        """The timings of single pictures; of whatever else was timed, where there are none."""
        return [time for time in self.timings if time.batch == 1] or self.timings

    def _timing(self, runtime: str, batch: int, threads: int) -> Timing:
        setting = (runtime, batch, threads)
        times = [
            time for row in self.rows for time in row.latency if (time.runtime, time.batch, time.threads) == setting
        ]
        return Timing(
            runtime=runtime,
            batch=batch,
            threads=threads,
            p25_ms=min(time.p25_ms for time in times),
            p50_ms=median(time.p50_ms for time in times),
            p75_ms=max(time.p75_ms for time in times),
            p90_ms=median(time.p90_ms for time in times),
            samples=min(time.samples for time in times),
        )

    def time_ratio(
        self, runtime: str, against: str, against_runtime: str, *, batch: int = 1
    ) -> tuple[float, float, float] | None:
        """How many times as fast as another network, with its 95% interval; of several seeds the median and the
        outermost ends. None where it was not measured."""
        setting = (runtime, against, against_runtime, batch)
        found = [
            each for row in self.rows for each in row.time_ratios
            if (each.runtime, each.against, each.against_runtime, each.batch) == setting
        ]  # fmt: skip
        if not found:
            return None
        return median(each.ratio for each in found), min(each.low for each in found), max(each.high for each in found)

    @property
    def refused(self) -> list[str]:
        """The runtimes on which it may not be used with any seed; the gates tell why."""
        gates = dict.fromkeys(gate for row in self.rows for gate in row.gates if gate.startswith(REFUSED))
        found = [gate.removeprefix(REFUSED) for gate in gates]
        return [runtime for runtime in found if runtime not in {time.runtime for time in self.timings}]

    def computes_in_float(self, runtime: str) -> bool:
        """Whether a runtime computes no layer in int8, as its gate says: its time is not one of int8."""
        gate = self.first.gates.get("int8_compiled" if runtime == DEPLOYED else f"int8_compiled_{runtime}")
        return isinstance(gate, str) and gate.startswith("0/")

    def timing(self, runtime: str) -> Timing | None:
        """The timing on ``runtime`` with the smallest batch."""
        return next((time for time in self.timings if time.runtime == runtime), None)

    def mean(self, values: Iterable[float | None]) -> float | None:
        """Mean of what the seeds recorded, None if none did."""
        known = [value for value in values if value is not None]
        return fmean(known) if known else None

    def median(self, values: Iterable[float | None]) -> float | None:
        """Median of what the seeds recorded, None if none did: for times, which a busy machine spoils upwards."""
        known = [value for value in values if value is not None]
        return median(known) if known else None

    @property
    def file_bytes(self) -> float:
        """Bytes of the deployed file, mean over the seeds."""
        return fmean(row.file_bytes for row in self.rows)

    @property
    def train_seconds(self) -> float | None:
        """Seconds of training, mean over the seeds."""
        return self.mean(row.train.seconds if row.train else None for row in self.rows)


def compared(comparisons: Iterable[Comparison], before: Group, after: Group) -> Flips | None:
    """The paired comparison of two networks of which neither was made from the other; None where there is none."""
    found = [
        (each.lost, each.gained)
        for each in comparisons
        if (each.against, each.variant) == (before.name, after.name) and before.engine == after.engine == each.engine
    ]
    return paired(before.label, found, after.total) if found else None


def groups(variants: Iterable[Variant]) -> list[Group]:
    """The variants with their seeds put together, in the order of their first rows."""
    together: dict[tuple[str, str], list[Variant]] = {}
    for variant in variants:
        together.setdefault((variant.name, variant.engine), []).append(variant)
    return [Group(name=name, engine=engine, rows=tuple(rows)) for (name, engine), rows in together.items()]


def latency_change(before: Timing, after: Timing) -> Change:
    """``"down"`` is faster. Unclear: the boxes from p25 to p75 overlap, the spread was not recorded, or runtime, batch
    or threads differ.

    >>> box = {"runtime": "torch", "batch": 1, "threads": 2, "p90_ms": 9.0}
    >>> slow = Timing(p25_ms=3.9, p50_ms=4.0, p75_ms=4.1, **box)
    >>> latency_change(slow, Timing(p25_ms=1.9, p50_ms=2.0, p75_ms=2.1, **box))
    'down'
    """
    if before.setting != after.setting:
        return "unclear"
    return timing_change(before, after)


def may_be_compared(before: Timing | Latency, after: Timing | Latency) -> bool:
    """Whether both spreads were recorded, at the same batch and threads: else nothing is said of two times."""
    settings = {(time.batch, time.threads) for time in (before, after)}
    return min(before.p25_ms, after.p25_ms) > 0 and len(settings) == 1


def is_as_fast(before: Timing, after: Timing) -> bool:
    """Whether two times may be compared, and do not differ measurably."""
    return may_be_compared(before, after) and timing_change(before, after) == "unclear"


def timing_change(before: Timing | Latency, after: Timing | Latency) -> Change:
    """As :func:`latency_change`, but across runtimes too: for sentences that name both."""
    if not may_be_compared(before, after):
        return "unclear"
    if after.p75_ms < before.p25_ms:
        return "down"
    return "up" if after.p25_ms > before.p75_ms else "unclear"


def accuracy_change(before: Group, after: Group) -> Change:
    """For two variants that records hold no paired test of: their Wilson intervals must not overlap."""
    return _apart(before.pictures_interval, after.pictures_interval)


def unpaired_difference(before: Group, after: Group) -> tuple[float, float]:
    """95% interval of the difference of two accuracies whose pictures are not the same."""
    return stats.unpaired_difference((before.accuracy, *before.interval), (after.accuracy, *after.interval))


def intervals_apart(before: Group, after: Group) -> Change:
    """The same of the intervals that tables show: with several seeds they are wider."""
    return _apart(before.interval, after.interval)


def _apart(before: tuple[float, float], after: tuple[float, float]) -> Change:
    if after[0] > before[1]:
        return "up"
    return "down" if after[1] < before[0] else "unclear"
