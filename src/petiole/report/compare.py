"""Two runs side by side: what each variant reaches in both, paired where they were judged on the same pictures."""

import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

import altair as alt

from petiole import units
from petiole.evidence import Timing, timing_change
from petiole.report import charts, summary
from petiole.report.blocks import NONE, Cell, Chapter, Linked, Page, Picture, Table, Text
from petiole.report.pairs import Pair, Side, pair_up
from petiole.report.provenance import anchor
from petiole.report.tables import accuracy
from petiole.report.timings import RUNTIMES

HOW = (
    "Variants of the same name are compared. Accuracy is compared picture by picture where both runs were judged on "
    "the same data (the digests in their records agree) and hold their predictions: lost are the test pictures that "
    "only the first run's network classified correctly, gained those that only the second's did, both as sums over "
    "the seeds that both runs have; the interval of the difference is Tango's (1998), with several seeds it covers "
    "Student's t too, and p is the exact McNemar test, with several seeds of the mean counts, for the seeds share "
    "their pictures. Otherwise the interval of the difference is Newcombe's (1998), made of both intervals, and the "
    "two differ where it leaves out 0. The times of two runs were taken at different moments, perhaps on different "
    "machines: they are shown side by side and never called a difference between networks. petiole bench with both "
    "artifacts times them in turns."
)


HOW_THEY_WERE = "how"
"""Anchor of the chapter that tells how they were compared."""
MOST_NAMED = 3
"""Of more variants that differ, those that differ most are named on the first page."""


def page(first: Side, second: Side, out: Path) -> Page:
    """The whole comparison, ready to be rendered into the directory ``out``; figures of one run lead to its report."""
    pairs, only = pair_up(first, second)
    differ = _machines_differ(first, second)
    sets = dict.fromkeys(pair.before.first.dataset for pair in pairs)
    tables = [_table(pairs, (first, second), dataset, out) for dataset in sets]
    missing = [Text(text=text) for text in only] or [Text(text="Every variant is in both runs.")]
    return Page(
        title=f"{first.name} and {second.name} compared",
        byline=f"first run: {first.name}; second run: {second.name}",
        facts=tuple(_facts(first, second)),
        banners=_banners(first, second, differ),
        failures=tuple(
            (f"{name} ({side.name})", why)
            for side in (first, second)
            for name, why in summary.failures(side.results)
        ),
        findings=tuple(_findings(pairs, first, second, same_machine=not differ)),
        pictures=(_accuracies(pairs, first, second),) if pairs else (),
        tables=tuple(tables), tables_title="Variants in both runs",
        chapters=(
            Chapter(anchor="only", title="Variants in one run only", blocks=tuple(missing)),
            Chapter(anchor=HOW_THEY_WERE, title="How they were compared", blocks=(Text(text=HOW),)),
        ),
    )  # fmt: skip


def _machines_differ(first: Side, second: Side) -> list[str]:
    """What of the machines, as far as times depend on it, is not the same; "" is never in it."""
    before, after = first.results.run.machine, second.results.run.machine
    pairs = [("processor", before.cpu, after.cpu), ("instruction sets", ", ".join(before.isa), ", ".join(after.isa)),
             ("threads", str(before.threads), str(after.threads))]  # fmt: skip
    pairs += [
        (name, before.versions.get(name, NONE), after.versions.get(name, NONE))
        for name in ("torch", "openvino", "onnxruntime")
    ]
    return [f"{what} {one} and {other}" for what, one, other in pairs if one != other]


def _facts(first: Side, second: Side) -> list[tuple[str, str]]:
    """Data, network, machine and run of both, the same line of each under the other; once, where they are equal."""
    lines = [dict(summary.facts(side.results)) for side in (first, second)]
    names = dict.fromkeys(name for found in lines for name in found)
    facts = []
    for name in names:
        if lines[0].get(name) == lines[1].get(name):
            facts.append((f"{name} (both)", lines[0][name]))
        else:
            both = zip((first, second), lines, strict=True)
            facts += [(f"{name} ({side.name})", found[name]) for side, found in both if name in found]
    return facts


def _banners(first: Side, second: Side, differ: list[str]) -> tuple[str, ...]:
    found = [f"{side.name}: {text}" for side in (first, second) for text in summary.banners(side.results)]
    if differ:
        found.append(f"TIMES CANNOT BE COMPARED: {'; '.join(differ)}. They tell the machines apart, not the networks.")
    return tuple(found)


def _findings(pairs: Sequence[Pair], first: Side, second: Side, *, same_machine: bool) -> list[str]:
    if not pairs:
        return ["The two runs have no variant in common."]
    apart = [pair for pair in pairs if pair.is_apart]
    largest = sorted(apart, key=lambda pair: -abs(pair.difference))[:MOST_NAMED]
    named = " The largest differences:" if len(apart) > MOST_NAMED else ""
    named += "".join(
        f" {pair.before.label}: {units.points(pair.difference, pair.before.digits)}"
        + (f" ({units.p_value(pair.flips.p)})." if pair.flips else f" ({_ends(pair)}).")
        for pair in largest
    )
    found = [
        f"{len(apart)} of {len(pairs)} variants differ in accuracy between {first.name} and {second.name}, as far as "
        f"these pictures can tell.{named}"
    ]
    if apart and len(pairs) > 1:
        found[0] += f" Were there no difference, {math.ceil(len(pairs) / 20)} at most would be expected to seem one."
    if unpaired := sorted({pair.why for pair in pairs if pair.why}):
        found[0] += (
            f" Where they are not compared picture by picture ({', '.join(unpaired)}), the pictures may be the cause."
        )
    times = [(pair.before.label, *both) for pair in pairs if (both := _times(pair))]
    ratios = sorted(
        (after.p50_ms / before.p50_ms, label)
        for label, before, after in times
        if timing_change(before, after) != "unclear"
    )
    if times:
        moment = "the moment of timing" if same_machine else "the moment of timing, the machine or its libraries"
        cause = f" The runs were not timed together, so {moment} may be the cause, too." if ratios else ""
        ends = [f"{units.times(ratio)} ({label})" for ratio, label in dict.fromkeys([*ratios[:1], *ratios[-1:]])]
        if len({units.times(ratio) for ratio, _ in ratios}) == 1:
            ends = [f"{units.times(ratios[0][0])} (each of them)"] if len(ratios) > 1 else ends
        reach = f": {second.name} takes {' to '.join(ends)} as long" if ends else ""
        found.append(
            f"In time at batch 1, {len(ratios)} of {units.counted(len(times), 'variant')} differ by more than their "
            f"calls spread{reach}.{cause}"
        )
    return found


def _times(pair: Pair) -> tuple[Timing, Timing] | None:
    """The times of both on the first runtime that both were timed on, at batch 1."""
    there = {time.setting: time for time in pair.after.timings if time.batch == 1}
    return next(((time, there[time.setting]) for time in pair.before.timings if time.setting in there), None)


def _table(pairs: Sequence[Pair], sides: tuple[Side, Side], dataset: str, out: Path) -> Table:
    here = [pair for pair in pairs if pair.before.first.dataset == dataset]
    where = summary.SETS.get(dataset, dataset)
    timed = [both[0].runtime for pair in here if (both := _times(pair))]
    on = f", on {RUNTIMES.get(timed[0], timed[0])} where no other runtime is named" if timed else ""
    columns = [f"{what}, {side.name}" for what in ("Accuracy", "p50", "File") for side in sides]
    links = [f"{_link(side.folder, out)}/report.html" for side in sides]
    return Table(
        caption=f"On the {where}: {sides[0].name} and {sides[1].name}. Times: median and middle half of the calls{on}. "
        "Bytes are exact.",
        header=("Variant", *columns[:2], "Points (95%)", "Lost / gained", *columns[2:]),
        rows=tuple(_row(pair, links, timed[0] if timed else "") for pair in here), source=HOW_THEY_WERE,
    )  # fmt: skip


def _link(folder: Path, out: Path) -> str:
    """The way from one directory to another, as a link."""
    try:
        return quote(Path(os.path.relpath(folder, out)).as_posix())
    except ValueError:  # on another drive
        return folder.resolve().as_uri()


def _ends(pair: Pair) -> str:
    low, high = (units.points(end, pair.before.digits) for end in pair.interval)
    return f"{low} to {high}"


def _row(pair: Pair, links: Sequence[str], runtime: str) -> tuple[Cell, ...]:
    """One variant; what is of one run leads to its row in that run's report."""
    times = _times(pair)

    def of_both(texts: Iterable[str]) -> list[Cell]:
        both = zip(texts, links, (pair.before, pair.after), strict=True)
        return [
            text if text == NONE else Linked(text=text, href=f"{link}#{anchor(group.first)}")
            for text, link, group in both
        ]

    words = (
        units.points(each, pair.before.digits).removesuffix(" points") for each in (pair.difference, *pair.interval)
    )
    difference = "{} ({} to {})".format(*words)
    flips = f"not paired: {pair.why}"
    if pair.flips is not None:
        flips = f"{pair.flips.lost:,} / {pair.flips.gained:,}, {units.p_value(pair.flips.p)}"
    return (
        pair.before.label, *of_both([accuracy(pair.before), accuracy(pair.after)]), difference, flips,
        *of_both([_time(time, runtime) for time in times] if times else [NONE, NONE]),
        *of_both([units.bytes(pair.before.file_bytes), units.bytes(pair.after.file_bytes)]),
    )  # fmt: skip


def _time(time: Timing, runtime: str) -> str:
    text = units.spread(time.p50_ms, time.p25_ms, time.p75_ms)
    return text if time.runtime == runtime else f"{text} on {RUNTIMES.get(time.runtime, time.runtime)}"


def _accuracies(pairs: Sequence[Pair], first: Side, second: Side) -> Picture:
    """Both accuracies of each variant with their intervals, one above the other."""
    rows = [
        {"variant": pair.before.label, "run": side.name, "value": group.accuracy, "low": group.interval[0],
         "high": group.interval[1]}
        for pair in pairs
        for side, group in ((first, pair.before), (second, pair.after))
    ]  # fmt: skip
    runs = [first.name, second.name]
    low = min(group.interval[0] for pair in pairs for group in (pair.before, pair.after))
    scale = alt.Scale(zero=False, domainMin=max(0.0, low - 0.02), domainMax=1.0)
    axis = charts.axis("accuracy on the test split (%)")
    base = alt.Chart(charts.data(rows)).encode(
        y=charts.names([pair.before.label for pair in pairs]), yOffset=alt.YOffset("run:N", sort=runs),
        color=charts.colour("run", runs),
    )  # fmt: skip
    rule = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", axis=axis, scale=scale), x2="high:Q")
    dot = base.mark_point(filled=True, size=55, opacity=1).encode(
        x=alt.X("value:Q", axis=axis, scale=scale),
        shape=alt.Shape("run:N", scale=alt.Scale(domain=runs), legend=charts.legend()),
    )
    said = [
        f"{pair.before.label} {units.percent(pair.before.accuracy, pair.before.digits)} and "
        f"{units.percent(pair.after.accuracy, pair.after.digits)}"
        for pair in pairs
    ]
    return charts.picture(
        "compared-accuracy", (rule + dot).properties(width=charts.WIDTH_PX, height=alt.Step(13)),
        "Accuracy on the test split in both runs; the lines are 95% intervals.",
        f"Accuracy in {first.name} and {second.name}: {'; '.join(said)}.",
    )  # fmt: skip
