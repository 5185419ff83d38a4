"""Parts of sentences for the answers: each says a number with its unit, and no more than it carries."""

from collections.abc import Sequence
from statistics import median

from petiole import units
from petiole.evidence import Group, Timing, accuracy_change, compared, groups, latency_change, timing_change
from petiole.paired import SIGNIFICANT, Change, Flips
from petiole.records import Results
from petiole.units import listed

RUNTIMES = {"torch": "eager-mode PyTorch", "openvino": "OpenVINO", "onnxruntime": "ONNX Runtime"}

STAGES = {
    "CNNScratch": "scratch",
    **dict.fromkeys(("CNNAdapted", "CNNOptimized"), "transfer"),
    **{f"CNNPruned{which}{how}": "pruning" for how in ("", "-magnitude") for which in ("F", "FO", "G", "GO")},
    **dict.fromkeys(
        (
            "CNNPrunedF-structured",
            "CNNPrunedG-structured",
            "CNNPrunedFO-structured",
            "CNNPrunedGO-structured",
            "CNNPrunedGO-structured-static-int8",
            "CNNPrunedGO-structured-qat-int8",
        ),
        "structured",
    ),
    **dict.fromkeys(("demo-dtype", "LSTM-dynamic-int8"), "demos"),
    **dict.fromkeys(("CNNOptimized-static-int8", "CNNOptimized-qat-int8"), "quantization"),
    **dict.fromkeys(
        ("LeNet", "LeNet-structured", "LeNet-dynamic-int8", "LeNet-static-int8", "LeNet-qat-int8"), "lenet"
    ),
}
"""Which stage of the lab makes a variant: a stage that fails is a row of ``failures`` under its own name."""


class Run:
    """The records of one run as an answer reads them; it notes which variants were used (``evidence``)."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.groups = groups(results.variants)
        self.evidence: list[str] = []

    def find(self, name: str, engine: str | None = None) -> Group | None:
        """The variant, if the run has it; it then counts as evidence. Without ``engine`` the first one."""
        for group in self.groups:
            if group.name == name and engine in (None, group.engine):
                if name not in self.evidence:
                    self.evidence.append(name)
                return group
        return None

    def parent(self, group: Group) -> Group | None:
        """The variant that ``group`` is compared with."""
        return None if group.first.parent is None else self.find(group.first.parent)

    def paired(self, before: Group, after: Group) -> Flips | None:
        """The paired comparison of two networks of which neither was made from the other, where it was recorded."""
        return compared(self.results.comparisons, before, after)

    def change(self, before: Group, after: Group) -> Change:
        """Which way accuracy goes: by the paired test, else (not recorded) by the Wilson intervals."""
        flips = self.paired(before, after)
        return accuracy_change(before, after) if flips is None else flips.change

    def missing(self, *names: str) -> list[str]:
        """A sentence for each failure of ``names`` or their chapters, and one for those that were not run."""
        absent = [name for name in names if name not in {group.name for group in self.groups}]
        sentences, explained = [], set[str]()
        for row in self.results.failures:
            of = [name for name in names if row.variant == STAGES.get(name) or failed(row.variant, name)]
            if not of:
                continue
            gone = [name for name in of if name in absent]
            explained.update(gone)
            chapter = row.variant in STAGES.values()
            what = f"The chapter {row.variant}" if chapter else row.variant
            seed = "" if row.seed is None else f" with seed {row.seed}"
            lacks = f", so nothing is said about {listed(gone)}" if gone else ""
            sentences.append(f"{what} failed{seed}{lacks}: {' '.join(row.why.split()).rstrip('.')}.")
        rest = [name for name in absent if name not in explained]
        if rest:
            one = len(rest) == 1
            verb, stage = ("is", "its stage was") if one else ("are", "their stages were")
            sentences.append(f"{listed(rest)} {verb} not in this run: {stage} not run, or did not end.")
        return sentences


def failed(failure: str, name: str) -> bool:
    """Whether the failure row ``failure`` is of the variant ``name``; a row may add engine and seed to it.

    >>> failed("CNNPrunedFO-seed0", "CNNPrunedFO"), failed("CNNPrunedFO", "CNNPrunedF")
    (True, False)
    """
    return failure == name or failure.startswith((f"{name}-seed", f"{name}-eager", f"{name}-pt2e", f"{name} "))


def named(labels: Sequence[str], of: Sequence[Group], what: str) -> str:
    """The labels one by one, or "both" and "all" where none is left out."""
    if len(labels) < len(of) or len(of) == 1:
        return listed(labels)
    return f"both {what}" if len(of) == 2 else f"all {len(of)} {what}"


def accuracy(group: Group) -> str:
    """Accuracy, what it was counted from, and the interval that the tables show."""
    return f"{counted(group).removesuffix(')')}; 95% interval {units.interval(*group.interval, group.digits)})"


def counted(group: Group) -> str:
    """Accuracy and what it was counted from, for a sentence that goes on to tell the interval."""
    value = units.percent(group.accuracy, group.digits)
    if len(group.rows) > 1:
        return f"{value} (mean of {len(group.rows)} seeds)"
    return f"{value} ({group.first.accuracy.correct:,} of {group.total:,})"


def versus_parent(group: Group) -> str:
    """The paired comparison with the parent: a gain, a loss, or a difference that the test cannot see."""
    return versus(group, group.flips)


def versus_baseline(group: Group) -> str | None:
    """The paired comparison with the baseline, None where the records hold none."""
    return None if group.baseline_flips is None else versus(group, group.baseline_flips)


def versus(group: Group, flips: Flips | None) -> str:
    """A paired comparison: a gain, a loss, or a difference that the test cannot see."""
    if flips is None:
        return "without a paired comparison in the records"
    counts = f"{flips.lost:,} lost, {flips.gained:,} gained"
    if len(flips.seeds) > 1:
        counts += f" over {len(flips.seeds)} seeds, {units.p_value(flips.p)} of their means"
    else:
        counts += f", {units.p_value(flips.p)}"
    low, high = (units.points(end, group.digits).removesuffix(" points") for end in flips.interval)
    points = f"{units.points(flips.difference, group.digits)} (95% interval {low} to {high})"
    if flips.change == "unclear":
        told = f"{_doubt(group, flips)} ({counts})"
        return f"{points} against {flips.against}, {told}"
    verb = "a gain" if flips.change == "up" else "a loss"
    return f"{points} against {flips.against}, {verb} that the paired test shows ({counts})"


def _doubt(group: Group, flips: Flips) -> str:
    """Why a difference is not claimed: the paired test does not see it, or the seeds disagree about it."""
    if len(flips.seeds) > 1 and flips.p < SIGNIFICANT:
        return "which the paired test sees, but the t interval over the seeds includes no difference"
    return "which the paired test cannot tell from no difference"


def size(before: Group, after: Group) -> str:
    """The deployed file's size against another variant's."""
    new, old = units.bytes(after.file_bytes), units.bytes(before.file_bytes)
    if min(before.file_bytes, after.file_bytes) <= 0:
        return "a file whose size was not recorded"
    if after.file_bytes < before.file_bytes:
        return f"a file of {new} instead of {old} ({units.percent(after.file_bytes / before.file_bytes)} of it)"
    return f"a file that is no smaller ({new}, before {old})"


def _spread(time: Timing) -> str:
    return units.spread(time.p50_ms, time.p25_ms, time.p75_ms)


def latency(before: Group, after: Group) -> str:
    """Time of one call on each runtime that both were measured on; faster only where the spread allows it. How many
    times as fast has its interval, where both were timed in turns (:attr:`petiole.records.Variant.time_ratios`)."""
    parts = []
    for new in after.singles:
        old = next((time for time in before.timings if time.setting == new.setting), None)
        if old is None:
            continue
        where = RUNTIMES.get(new.runtime, new.runtime) + (f" at batch {new.batch}" if new.batch != 1 else "")
        change = latency_change(old, new)
        pair = f"{_spread(new)} instead of {_spread(old)}"
        if change == "unclear":
            small = _small_ratio(before, after, old, new)
            verdict = "middle halves that overlap" if small else "no measurable difference"
            parts.append(f"{verdict} on {where} ({_spread(new)} and {_spread(old)}{small})")
        elif change == "down":
            parts.append(f"faster on {where} ({pair}, {ratio(before, after, old, new)})")
        else:
            parts.append(f"slower on {where} ({pair}, {ratio(before, after, old, new)})")
    parts += [f"refused on {RUNTIMES.get(runtime, runtime)} (see the gates)" for runtime in after.refused]
    return listed(parts) if parts else "no timing on a runtime that both were measured on"


def across_runtimes(before: Group, after: Group) -> str | None:
    """The deployed file on its fastest runtime against its parent in eager-mode PyTorch; None if it is not faster."""
    deployed = [time for time in after.singles if time.runtime != "torch"]
    old, new = before.timing("torch"), min(deployed, key=lambda time: time.p50_ms, default=None)
    if old is None or new is None or timing_change(old, new) != "down":
        return None
    where = RUNTIMES.get(new.runtime, new.runtime)
    return (
        f"{_spread(new)} on {where} against {_spread(old)} for {before.label} in eager-mode "
        f"PyTorch, {ratio(before, after, old, new)}"
    )


def _small_ratio(before: Group, after: Group, old: Timing, new: Timing) -> str:
    """The ratio of two medians, where it is known better than single calls show."""
    measured = after.time_ratio(new.runtime, before.name, old.runtime, batch=new.batch)
    return f"; {units.within_spread(measured)}" if measured and units.leaves_out_one(measured) else ""


def ratio(before: Group, after: Group, old: Timing, new: Timing) -> str:
    """How many times as fast or as slow, with its interval where the records hold one."""
    measured = after.time_ratio(new.runtime, before.name, old.runtime, batch=new.batch)
    return units.speed(old.p50_ms / new.p50_ms, measured)


def change_on(runtime: str, before: Group | None, after: Group) -> Change | None:
    """How the time of a single picture changed on one runtime; None where it did not time both."""
    pairs = _timed_alike(before, after, after.singles, runtime)
    return latency_change(*pairs[0]) if pairs else None


def batch_times(runtime: str, before: Group | None, after: Group) -> tuple[Timing, Timing] | None:
    """The times of the largest batch that both were measured with on one runtime; None without one."""
    several = [time for time in after.timings if time.batch > 1]
    return max(_timed_alike(before, after, several, runtime), key=lambda pair: pair[1].batch, default=None)


def _timed_alike(
    before: Group | None, after: Group, times: Sequence[Timing], runtime: str
) -> list[tuple[Timing, Timing]]:
    return [
        (old, new)
        for new in times
        for old in (before.timings if before else [])
        if old.setting == new.setting and new.runtime == runtime
    ]


def changes(before: Group | None, after: Group) -> list[Change]:
    """How the time of a single picture changed, on every runtime that both were measured on."""
    return [
        latency_change(old, new)
        for new in after.singles
        for old in (before.timings if before else [])
        if old.setting == new.setting
    ]


def profiled(before: Group, after: Group) -> str:
    """Two calls by the profiler, with the middle half of the calls (of several seeds the median, and the outermost
    quartiles); "" where one was not profiled."""
    old, new = _profile(before), _profile(after)
    if old is None or new is None:
        return ""
    overlap = ": no measurable difference" if 0 < old[1] <= new[2] and 0 < new[1] <= old[2] else ""
    return f"{units.spread(*new)} of the calling thread's time, before {units.spread(*old)}{overlap}"


def profiled_change(before: Group, after: Group) -> Change | None:
    """Which way the profiler's times go, by the middle halves of the calls; None where one was not profiled."""
    old, new = _profile(before), _profile(after)
    if old is None or new is None:
        return None
    return "down" if new[2] < old[1] else "up" if new[1] > old[2] else "unclear"


def _profile(group: Group) -> tuple[float, float, float] | None:
    """Median, 25th and 75th percentile, in ms."""
    rows = [row for row in group.rows if row.profile_ms is not None]
    if not rows:
        return None
    p25_ms = min(row.profile_p25_ms or 0.0 for row in rows)
    return median(row.profile_ms or 0.0 for row in rows), p25_ms, max(row.profile_p75_ms or 0.0 for row in rows)
