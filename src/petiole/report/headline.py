"""The three findings that matter, each with its interval: transfer, int8, pruning."""

from collections.abc import Sequence

from petiole import units
from petiole.evidence import (
    Group,
    Timing,
    compared,
    groups,
    intervals_apart,
    is_as_fast,
    may_be_compared,
    timing_change,
)
from petiole.latency_records import DEPLOYED
from petiole.paired import SIGNIFICANT, Flips
from petiole.records import Results
from petiole.report.tables import accuracy
from petiole.report.timings import RUNTIMES

MOST = 3
EAGER = "torch"


def headline(results: Results) -> list[str]:
    """What the run shows of transfer, quantization and pruning (photos first, then digits); what it does not hold is
    left out."""
    every = groups(results.variants)
    photos = [group for group in every if group.first.dataset == "photos"]
    digits = [group for group in every if group.first.dataset == "digits"]
    found = (_transfer(results, photos), _int8(photos, "CNNOptimized"), _pruning(photos), _int8(digits, "LeNet"))
    return [text for text in found if text][:MOST]


def difference(group: Group) -> str:
    """The paired difference from the parent with its 95% interval, and whether the pictures carry it."""
    return "" if group.flips is None else f"{told(group, group.flips)} against {group.flips.against}"


def told(group: Group, flips: Flips) -> str:
    """A paired difference with its 95% interval, and the exact test's verdict."""
    low, high = (units.points(end, group.digits).removesuffix(" points") for end in flips.interval)
    verdict = "no difference shown"
    if flips.interval[0] > 0 or flips.interval[1] < 0:
        verdict += " by this stricter test"
    if flips.p < SIGNIFICANT:
        verdict = (
            "a difference; the interval over the seeds shows none" if flips.change == "unclear" else "a difference"
        )
    return (
        f"{units.points(flips.difference, group.digits)} (95% interval {low} to {high}; exact test "
        f"{units.p_value(flips.p)}: {verdict})"
    )


def _named(every: Sequence[Group], name: str) -> Group | None:
    return next((group for group in every if group.name == name), None)


def _transfer(results: Results, every: Sequence[Group]) -> str:
    scratch = _named(every, "CNNScratch")
    ours = _named(every, "CNNOptimized") or _named(every, "CNNAdapted")
    if scratch is None or ours is None:
        return ""
    said = (
        f"Transfer: {ours.label} classifies {accuracy(ours)} of the {ours.total:,} test photos correctly, the CNN "
        f"trained from scratch {accuracy(scratch)}"
    )
    if flips := compared(results.comparisons, scratch, ours):
        return f"{said}: {told(ours, flips)}."
    return (
        said
        + {
            "up": ". The intervals lie apart.",
            "down": ". The intervals lie apart, and not in favour of transfer.",
            "unclear": ". The intervals overlap: these pictures do not tell the two apart.",
        }[intervals_apart(scratch, ours)]
    )


def _time(group: Group, runtime: str) -> Timing | None:
    return next((time for time in group.timings if time.runtime == runtime and time.batch == 1), None)


def _times_as_fast(before: Timing, after: Timing, ratio: tuple[float, float, float] | None) -> str:
    """The ratio of two times with its interval where the spread carries it; that of the medians alone, where the
    records hold none; nothing where the two may not be compared."""
    if not may_be_compared(before, after):
        return ""
    if timing_change(before, after) == "unclear":
        if ratio and units.leaves_out_one(ratio):
            return f"middle halves that overlap ({units.within_spread(ratio)})"
        return "no measurable difference"
    return units.speed(before.p50_ms / after.p50_ms, ratio)


def _faster(before: Timing, after: Timing, where: str, ratio: tuple[float, float, float] | None) -> str:
    """A time beside another one."""
    verdict = _times_as_fast(before, after, ratio)
    return f"{_spread(before)} {where}{f' ({verdict})' if verdict else ''}"


def _int8(every: Sequence[Group], parent_name: str) -> str:
    """The fastest int8 network of a whole parent on the deployed runtime; of several that cannot be told apart in time,
    the one that was made first: their accuracy on the test pictures chooses nothing."""
    parent = _named(every, parent_name)
    timed = [
        (time, group)
        for group in every
        if group.engine != EAGER
        and group.first.parent == parent_name
        and not group.computes_in_float(DEPLOYED)
        and (time := _time(group, DEPLOYED))
    ]
    if parent is None or not timed:
        return ""
    fastest, _ = min(timed, key=lambda pair: pair[0].p50_ms)
    equal = [pair for pair in timed if pair[0] is fastest or is_as_fast(fastest, pair[0])]
    time, best = equal[0]
    float_time, eager_time = _time(parent, DEPLOYED), _time(parent, EAGER)
    than = [
        _faster(before, time, f"for {parent_name} {where}", best.time_ratio(DEPLOYED, parent_name, before.runtime))
        for before, where in ((float_time, "there"), (eager_time, f"in {RUNTIMES[EAGER]}"))
        if before is not None
    ]
    both = "; the latter is int8, folded BatchNorm and the change of runtime together" if len(than) > 1 else ""
    return (
        f"Quantization: {best.label} takes {_spread(time)} on {RUNTIMES[DEPLOYED]}, as against "
        f"{' and '.join(than)}{both}. Its file has {units.bytes(best.file_bytes)} instead of "
        f"{units.bytes(parent.file_bytes)}."
    ) + (f" Accuracy: {changed}." if (changed := difference(best)) else "")


def _spread(time: Timing) -> str:
    """A median with the middle half of the calls (of several seeds the outermost quartiles)."""
    return units.spread(time.p50_ms, time.p25_ms, time.p75_ms)


def _pruning(every: Sequence[Group]) -> str:
    """Zeros, removed channels, and these in int8, after retraining and on the deployed runtime: a line each."""
    whole = _named(every, "CNNOptimized")
    before = _time(whole, DEPLOYED) if whole else None
    if whole is None or before is None:
        return ""
    lines = [_zeroed(every, whole, before), _removed(every, whole, before), _narrow_int8(every, whole, before)]
    lines = [line for line in lines if line]
    against = f"{whole.label} ({_spread(before)} on {RUNTIMES[DEPLOYED]}, {units.bytes(whole.file_bytes)})"
    return "\n".join([f"Pruning: after retraining, against {against}", *lines]) if lines else ""


def _zeroed(every: Sequence[Group], whole: Group, before: Timing) -> str:
    """What weights set to zero do, at random and the smallest."""
    group, smallest = _named(every, "CNNPrunedGO"), _named(every, "CNNPrunedGO-magnitude")
    after = _time(group, DEPLOYED) if group else None
    if group is None or after is None:
        return ""
    share = units.percent(1 - _nonzero(group) / _nonzero(whole), 0)
    text = f"{share} of the weights set to zero at random ({group.label}): {_against(whole, before, group, after)}."
    if smallest is not None and smallest.baseline_flips is not None:
        text += f" The smallest weights instead ({smallest.label}): accuracy {told(smallest, smallest.baseline_flips)}."
    return text


def _removed(every: Sequence[Group], whole: Group, before: Timing) -> str:
    """What removed channels do."""
    group = _named(every, "CNNPrunedGO-structured")
    after = _time(group, DEPLOYED) if group else None
    if group is None or after is None:
        return ""
    share = units.percent(1 - _macs(group) / _macs(whole), 0)
    return f"{share} of the MACs removed as channels ({group.label}): {_against(whole, before, group, after)}."


def _narrow_int8(every: Sequence[Group], whole: Group, before: Timing) -> str:
    """Channels removed and int8 together: static quantization, else QAT."""
    names = [f"CNNPrunedGO-structured-{how}-int8" for how in ("static", "qat")]
    made = [group for name in names if (group := _named(every, name)) and not group.computes_in_float(DEPLOYED)]
    best = next(iter(made), None)
    after = _time(best, DEPLOYED) if best else None
    if best is None or after is None:
        return ""
    return f"Channels and int8 together ({best.label}): {_against(whole, before, best, after)}."


def _against(whole: Group, before: Timing, group: Group, after: Timing) -> str:
    """Time, size and accuracy of a pruned network beside the whole one, whose time and size are told already."""
    verdict = _times_as_fast(before, after, group.time_ratio(DEPLOYED, whole.name, DEPLOYED))
    text = f"{_spread(after)}, {verdict + ', ' if verdict else ''}{units.bytes(group.file_bytes)}, accuracy "
    flips = group.baseline_flips
    return text + (told(group, flips) if flips else accuracy(group))


def _macs(group: Group) -> float:
    return group.mean(row.macs for row in group.rows) or 1.0


def _nonzero(group: Group) -> float:
    return group.mean(row.nonzero_parameters for row in group.rows) or 1.0
