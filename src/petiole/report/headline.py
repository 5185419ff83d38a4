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


def _faster(before: Timing, after: Timing, where: str, ratio: tuple[float, float, float] | None) -> str:
    """A time beside another one, and their ``ratio`` with its interval where the spread carries it; that of the medians
    alone, where the records hold none."""
    if not may_be_compared(before, after):
        return f"{_spread(before)} {where}"
    if timing_change(before, after) == "unclear":
        return f"{_spread(before)} {where} (no measurable difference)"
    return f"{_spread(before)} {where} ({units.speed(before.p50_ms / after.p50_ms, ratio)})"


def _int8(every: Sequence[Group], parent_name: str) -> str:
    """The fastest int8 network of a whole parent on the deployed runtime; of several that cannot be told apart in time,
    the most accurate one."""
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
    time, best = max(equal, key=lambda pair: pair[1].accuracy)
    float_time, eager_time = _time(parent, DEPLOYED), _time(parent, EAGER)
    than = [
        _faster(before, time, f"for {parent_name} {where}", best.time_ratio(DEPLOYED, parent_name, before.runtime))
        for before, where in ((float_time, "there"), (eager_time, f"in {RUNTIMES[EAGER]}"))
        if before is not None
    ]
    both = ": int8 and the change of runtime together" if len(than) > 1 else ""
    return (
        f"Quantization: {best.label} takes {_spread(time)} on {RUNTIMES[DEPLOYED]}, as against "
        f"{' and '.join(than)}{both}. Its file has {units.bytes(best.file_bytes)} instead of "
        f"{units.bytes(parent.file_bytes)}."
    ) + (f" Accuracy: {changed}." if (changed := difference(best)) else "")


def _spread(time: Timing) -> str:
    """A median with the middle half of the calls (of several seeds the outermost quartiles)."""
    return units.spread(time.p50_ms, time.p25_ms, time.p75_ms)


def _pruning(every: Sequence[Group]) -> str:
    """Zeros beside removed channels, both after retraining, on the deployed runtime."""
    whole = _named(every, "CNNOptimized")
    groups = [_named(every, name) for name in ("CNNPrunedGO", "CNNPrunedGO-structured")]
    parts = [_pruned(whole, group) for group in groups if whole is not None and group is not None]
    smallest = _named(every, "CNNPrunedGO-magnitude")
    if parts and parts[0] and smallest is not None and smallest.baseline_flips is not None:
        parts[0] += f"; the smallest instead ({smallest.label}), {told(smallest, smallest.baseline_flips)}"
    parts.append(_narrow_int8(every, whole))
    said = ". ".join(part for part in parts if part)
    return f"Pruning: {said}. All after retraining, against CNNOptimized." if said else ""


def _pruned(whole: Group, group: Group) -> str:
    """What was taken away, and what that does to time and accuracy; nothing where it was not timed."""
    before, after = _time(whole, DEPLOYED), _time(group, DEPLOYED)
    if before is None or after is None:
        return ""
    if "structured" in group.name:
        taken = f"{units.percent(1 - _macs(group) / _macs(whole), 0)} of the MACs removed as channels"
    else:
        taken = f"{units.percent(1 - _nonzero(group) / _nonzero(whole), 0)} of the weights set to zero at random"
    ratio = group.time_ratio(DEPLOYED, whole.name, DEPLOYED)
    text = f"{taken} ({group.label}): {_spread(after)} as against {_faster(before, after, 'whole', ratio)}"
    flips = group.baseline_flips
    if flips is None:
        return text
    return f"{text}, accuracy {told(group, flips)}"


def _narrow_int8(every: Sequence[Group], whole: Group | None) -> str:
    """Channels removed and int8 together: the more accurate of the two ways."""
    names = [f"CNNPrunedGO-structured-{how}-int8" for how in ("static", "qat")]
    made = [group for name in names if (group := _named(every, name)) and not group.computes_in_float(DEPLOYED)]
    best = max(made, key=lambda group: group.accuracy, default=None)
    if best is None or whole is None:
        return ""
    before, after = _time(whole, DEPLOYED), _time(best, DEPLOYED)
    if before is None or after is None:
        return ""
    ratio = best.time_ratio(DEPLOYED, whole.name, DEPLOYED)
    text = (
        f"The same in int8 ({best.label}): {_spread(after)} as against "
        f"{_faster(before, after, 'whole in float', ratio)}, "
        f"{units.bytes(best.file_bytes)} instead of {units.bytes(whole.file_bytes)}"
    )
    return text if best.baseline_flips is None else f"{text}, accuracy {told(best, best.baseline_flips)}"


def _macs(group: Group) -> float:
    return group.mean(row.macs for row in group.rows) or 1.0


def _nonzero(group: Group) -> float:
    return group.mean(row.nonzero_parameters for row in group.rows) or 1.0
