"""What must be seen first: banners, failures, the run in a line each, and findings that the numbers carry."""

from collections.abc import Sequence
from statistics import median

from petiole import stats, units
from petiole.caveats import busy_share, may_have_been_seen, random_weights, synthetic_photos
from petiole.evidence import Group, Timing, groups, is_as_fast
from petiole.records import Results
from petiole.report.tables import MOST_CLASSES, accuracy, points_against
from petiole.report.timings import RUNTIMES, restless
from petiole.units import listed

TITLE = "IL2230 Lab 3B: transfer learning, network pruning and quantization"

INT8_UNITS = ("vnni", "amx", "dotprod", "i8mm")
"""In the names of the instruction sets that int8 owes its speed to; all are in the appendix."""
CHANCE = 0.05
"""Of tests at the 5% level, where there is nothing to be found."""
SETS = {"photos": "test photos", "digits": "test digits"}


def banners(results: Results) -> list[str]:
    """What makes the figures mean something else than a reader would think; empty on real data."""
    found = []
    if synthetic_photos(results) is not None:
        found.append(
            "SYNTHETIC PHOTOS: a program drew them. These accuracies say nothing about photos of real ants and bees."
        )
    digits = results.data.digits
    if digits is not None and digits.synthetic:
        found.append("SYNTHETIC DIGITS: a program drew them. These accuracies say nothing about handwriting.")
    if random_weights(results):
        found.append(
            "RANDOM WEIGHTS: the backbone was not pretrained, so nothing was transferred. These accuracies say "
            "nothing about transfer learning."
        )
    if (share := busy_share(time for row in results.variants for time in row.latency)) is not None:
        found.append(
            f"BUSY MACHINE: other processes had up to {units.percent(share, 0)} of the cores' time while networks were "
            "timed. Times may be too long; accuracies and sizes are not touched by it."
        )
    if results.run.profile == "quick":
        found.append(
            "QUICK PROFILE: a small version with fewer networks, for trying out. These figures are not the lab's."
        )
    return found


def authors(results: Results) -> str:
    """The team, or how to name it."""
    return ", ".join(results.run.authors) or "no names given (petiole lab --author NAME)"


def failures(results: Results) -> list[tuple[str, str]]:
    """Who failed, with the seed, and why."""
    return [
        (row.variant if row.seed is None else f"{row.variant} (seed {row.seed})", row.why) for row in results.failures
    ]


def facts(results: Results) -> list[tuple[str, str]]:
    """Data, machine and run, in a line each."""
    lines = []
    photos, digits = results.data.photos, results.data.digits
    if photos is not None:
        kind = "drawn by a program" if photos.synthetic else "real"
        skipped = f", files skipped: {len(photos.skipped)}" if photos.skipped else ""
        doubles = f", found in both splits: {len(photos.duplicates)}" if photos.duplicates else ""
        doubles += f", under several labels: {len(photos.contradictions)}" if photos.contradictions else ""
        note = f"; {_without_reason(photos.note)}" if photos.note and not photos.synthetic else ""  # a banner tells
        lines.append(
            (
                "Photos",
                f"{photos.source} ({kind}): {photos.train:,} for training, {photos.test:,} for testing, classes "
                f"{_named(photos.classes)}{skipped}{doubles}{note}",
            )
        )
    if digits is not None:
        kind = "drawn by a program" if digits.synthetic else "real"
        note = f"; {_without_reason(digits.note)}" if digits.note else ""
        lines.append(
            ("Digits", f"{digits.source} ({kind}): {digits.train:,} for training, {digits.test:,} for testing{note}")
        )
    if results.run.backbone:
        lines.append(
            ("Network", f"{results.run.backbone}, weights: {results.run.weights or 'not recorded'}{_learned(results)}")
        )
    machine = results.run.machine
    int8 = [name for name in machine.isa if any(unit in name for unit in INT8_UNITS)]
    torch = f", torch {machine.versions['torch']}" if "torch" in machine.versions else ""
    counts = f"{units.counted(machine.cores, 'core')}, {units.counted(machine.threads, 'thread')}"
    memory = f", {units.bytes(machine.memory_bytes)} of memory" if machine.memory_bytes else ""
    lines.append(("Machine", f"{machine.cpu}, {counts}{memory}{''.join(f', {name}' for name in int8)}{torch}"))
    seeds = ("seed " if len(results.run.seeds) == 1 else "seeds ") + ", ".join(map(str, results.run.seeds))
    failed = "" if results.failures else "; no step failed"
    lines.append(("Run", f"{results.run.command} ({seeds}; {units.seconds(results.run.seconds)}{failed})"))
    lines.append(("Numbers", _meant(len(results.run.seeds)) + restless(results.variants)))
    return lines


def _learned(results: Results) -> str:
    """What the weights that come with Petiole had seen before."""
    if not results.run.weights.startswith("embedded"):
        return ""
    photos = results.data.photos
    seen = ""
    if photos and set(photos.classes) == {"ants", "bees"}:
        seen = ", where ants and bees are two of 1,000 classes"
        seen += " (it may have seen some of the test photos: see 3.2)" if may_have_been_seen(results) else ""
    return f", pretrained on ImageNet{seen}"


def _without_reason(note: str) -> str:
    """What the data are; why they are no others, in brackets, is told in their chapter.

    >>> _without_reason("a part of MNIST: 5,000 digits (MNIST: nowhere to be had)")
    'a part of MNIST: 5,000 digits'
    """
    return note.split(" (")[0]


def _meant(seeds: int) -> str:
    """What intervals and brackets are of."""
    if seeds > 1:
        chance = f"for the choice of test pictures and {seeds} trainings of each network"
    else:
        chance = "for the choice of test pictures; each network was trained once (--seeds 3 shows what seeds change)"
    return (
        f"Accuracies: 95% intervals {chance}. Times: medians, brackets hold the middle half of the calls; "
        "where these overlap, no difference is called measurable; intervals of ratios are of this run on this machine. "
        "Sizes and counts (parameters, MACs, shares removed) are exact, shortened; the run's own time is that of this "
        "once."
    )


def _named(classes: Sequence[str]) -> str:
    more = len(classes) - MOST_CLASSES
    return ", ".join(classes[:MOST_CLASSES]) + (f" and {more:,} more" if more > 0 else "")


def findings(results: Results) -> list[str]:
    """Best, smallest and fastest of each data set, and what its test pictures can tell apart."""
    found = []
    every = groups(results.variants)
    for dataset in dict.fromkeys(group.first.dataset for group in every):
        here = [group for group in every if group.first.dataset == dataset]
        found += _best(here, SETS.get(dataset, dataset))
    return found


def _best(here: Sequence[Group], what: str) -> list[str]:
    best = max(here, key=lambda group: group.accuracy)
    total = best.total
    near = sum(group.accuracy >= best.interval[0] for group in here) - 1
    others = f"; of the others, {near} of {len(here) - 1} lie within its interval" if len(here) > 1 else ""
    chosen = "; the best of several on the same pictures is flattered by that choice" if len(here) > 1 else ""
    text = f"Highest accuracy on the {total:,} {what}: {best.label}, {accuracy(best)}{_against(best)}{others}{chosen}."
    text += f" One picture is {units.points(1 / total, 2).lstrip('+')}."
    found = [text]
    compared = [group for group in here if group.flips is not None]
    if compared:
        found.append(_paired(compared, what))
    sized = [group for group in here if group.file_bytes > 0]
    if sized:
        small = min(sized, key=lambda group: group.file_bytes)
        size = units.bytes(small.file_bytes)
        found.append(
            f"Smallest deployed file for the {what}: {small.label}, {size}, with an accuracy of {accuracy(small)}"
            f"{_against(small)}{_as_small(small, sized)}."
        )
    return found + _fastest(here, what)


def _against(group: Group) -> str:
    """What it has lost or gained against what was pruned or, without that, its parent."""
    flips = group.baseline_flips or group.flips
    if flips is None:
        return ""
    return f" ({points_against(group, flips)} points against {flips.against}, {units.p_value(flips.p)})"


def _as_small(small: Group, sized: Sequence[Group]) -> str:
    """Those whose files are larger by less than a hundredth: the size does not decide between them."""
    near = [each for each in sized if each is not small and each.file_bytes < 1.01 * small.file_bytes]
    more = [
        f"{each.label} has {units.counted(round(each.file_bytes - small.file_bytes), 'byte')} more" for each in near
    ]
    return f"; {', '.join(more)}" if near else ""


def _paired(compared: Sequence[Group], what: str) -> str:
    """Which comparisons with the parent show something, and how many pictures a point would need."""
    shown = []
    for group in compared:
        if group.flips is not None and group.flips.change != "unclear":
            points = units.points(group.flips.difference, group.digits)
            low, high = (units.points(end, group.digits).removesuffix(" points") for end in group.flips.interval)
            told = (
                f"{points}, 95% interval {low} to {high}, against {group.flips.against}, {units.p_value(group.flips.p)}"
            )
            shown.append(f"{group.label} ({told})")
    names = f": {', '.join(shown)}" if shown else ""
    text = (
        f"Of {units.counted(len(compared), 'paired comparison')} with a parent on the {what}, {len(shown)} "
        f"{'shows' if len(shown) == 1 else 'show'} a difference at the 5% level{names}."
    )
    if shown and len(compared) > 1:
        text += (
            f" If no network differed from its parent, at most {CHANCE * len(compared):.2g} of {len(compared)} such "
            "tests, on average, would show one by chance alone (p is not corrected for their number; the comparisons "
            "with what was pruned, and of two networks with each other, are further tests)."
        )
    rates = [
        (group.flips.lost + group.flips.gained) / (group.total * len(group.flips.seeds))
        for group in compared
        if group.flips is not None and group.flips.change == "unclear"
    ]
    rate = median(rates) if rates else 0.0
    if rate >= 0.01:
        text += (
            f" {'The others' if shown else 'They'} disagree on {units.percent(rate)} of the pictures (median); to see "
            f"a difference of 1 point between such two in 80 of 100 cases, about {stats.photos_needed(0.01, rate):,} "
            f"pictures are needed, and here are {compared[0].total:,}."
        )
    return text


def _where(time: Timing) -> str:
    return f"{RUNTIMES.get(time.runtime, time.runtime)}, {units.spread(time.p50_ms, time.p25_ms, time.p75_ms)}"


def _fastest(here: Sequence[Group], what: str) -> list[str]:
    timed = [(time, group) for group in here for time in group.timings if time.batch == 1]
    if not timed:
        return []
    first, group = min(timed, key=lambda pair: pair[0].p50_ms)
    text = (
        f"Lowest time of one call at batch 1 for the {what}: {group.label} on "
        f"{RUNTIMES.get(first.runtime, first.runtime)}, "
        f"{units.spread(first.p50_ms, first.p25_ms, first.p75_ms)} (median, middle half of the calls)"
        f"{_against(group)}"
    )
    fastest = {other.label: min(other.singles, key=lambda time: time.p50_ms) for _, other in timed}
    equal = [label for label, time in fastest.items() if label != group.label and is_as_fast(first, time)]
    if equal:
        near = [f"{label} on {_where(fastest[label])}" for label in equal]
        text += f". Others whose middle halves overlap with its own, each on its fastest runtime: {listed(near)}"
    return [f"{text}."]
