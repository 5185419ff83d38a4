"""Two runs side by side: what each variant reaches in both, paired where they were judged on the same pictures."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import altair as alt

from petiole import units
from petiole.errors import UserError
from petiole.evidence import Flips, Group, Timing, groups, paired, timing_change, unpaired_difference
from petiole.records import Results, Variant
from petiole.report import charts, summary
from petiole.report.blocks import NONE, Cell, Chapter, Linked, Page, Picture, Table, Text
from petiole.report.provenance import is_plain
from petiole.report.tables import RUNTIMES, accuracy

HOW = (
    "Variants of the same name are compared. Accuracy is compared picture by picture where both runs were judged on"
    " the same data (the digests in their records agree) and hold their predictions: lost are the test pictures "
    "that only the first run's network called rightly, gained those that only the second's did, of the seeds that "
    "both runs have (their mean, for the seeds share their pictures); the interval of the difference is Tango's "
    "(1998), with several seeds it covers Student's t too, and p is the exact McNemar test. Otherwise the interval of "
    "the difference is Newcombe's (1998), made of both intervals, and the two differ where it leaves out 0. Times of "
    "two machines are shown beside each other and "
    "never called a difference between networks."
)


HOW_THEY_WERE = "how"
"""Anchor of the chapter that tells how they were compared."""
MOST_NAMED = 3
"""Of more variants that differ, those that differ most are named on the first page."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two runs: what it is called (not as the other one), where it lies, and its records."""

    name: str
    folder: Path
    results: Results


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One variant in both runs. Without ``flips`` it is not compared picture by picture, and ``why`` says why not."""

    before: Group
    after: Group
    flips: Flips | None
    why: str = ""

    @property
    def difference(self) -> float:
        """Accuracy in the second run less that in the first."""
        return self.after.accuracy - self.before.accuracy if self.flips is None else self.flips.difference

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95% interval."""
        return unpaired_difference(self.before, self.after) if self.flips is None else self.flips.interval

    @property
    def is_apart(self) -> bool:
        """Whether the pictures tell the two apart."""
        if self.flips is not None:
            return self.flips.change != "unclear"
        low, high = self.interval
        return not low <= 0 <= high


def page(first: Side, second: Side, out: Path) -> Page:
    """The whole comparison, ready to be rendered into the directory ``out``; figures of one run lead to its report."""
    pairs, only = _paired(first, second)
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


def _paired(first: Side, second: Side) -> tuple[list[Pair], list[str]]:
    """The variants of both runs, and sentences for those of one only."""
    here = {(group.name, group.engine): group for group in groups(first.results.variants)}
    there = {(group.name, group.engine): group for group in groups(second.results.variants)}
    pairs = []
    for key in here:
        if key in there:
            flips, why = _paired_pictures(first, second, here[key], there[key])
            pairs.append(Pair(before=here[key], after=there[key], flips=flips, why=why))
    only = [
        f"Only {side.name} holds {', '.join(found[key].label for key in missing)}."
        for side, found, other in ((first, here, there), (second, there, here))
        if (missing := [key for key in found if key not in other])
    ]
    return pairs, only


def _paired_pictures(first: Side, second: Side, before: Group, after: Group) -> tuple[Flips | None, str]:
    """The comparison on the same pictures, of the seeds that both have; or why there is none."""
    digests = [
        data.digest if (data := getattr(side.results.data, before.first.dataset, None)) is not None else ""
        for side in (first, second)
    ]
    if not all(digests):
        return None, "pictures not recorded"
    if digests[0] != digests[1]:
        return None, "other data"
    there = {row.seed: row for row in after.rows}
    flips = []
    for row in before.rows:
        if row.seed in there:
            here, other = _right(first.folder, row), _right(second.folder, there[row.seed])
            if here is None or other is None or len(here) != len(other):
                return None, "predictions not there"
            both = list(zip(here, other, strict=True))
            flips.append((sum(a and not b for a, b in both), sum(b and not a for a, b in both)))
    return (paired(first.name, flips, before.total), "") if flips else (None, "no seed in common")


def _right(folder: Path, row: Variant) -> list[bool] | None:
    """Whether each test picture was called rightly; None where that was not kept.

    Raises:
        UserError: the file of predictions is damaged.
    """
    path = folder / (row.predictions or "")
    if row.predictions is None or not is_plain(row.predictions) or not path.is_file():
        return None
    try:
        called = json.loads(path.read_text(encoding="utf-8"))
        return [label == predicted for label, predicted in zip(called["labels"], called["predicted"], strict=True)]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error}): run the lab again to write it anew") from error


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
    times = [both for pair in pairs if (both := _times(pair))]
    changed = [both for both in times if timing_change(*both) != "unclear"]
    if times:
        cause = "" if same_machine else " The machines or their libraries differ."
        ratios = [after.p50_ms / before.p50_ms for before, after in changed]
        ends = list(dict.fromkeys(units.times(end(ratios)) for end in (min, max))) if ratios else []
        reach = f"; {second.name} takes {' to '.join(ends)} as long" if ends else ""
        found.append(f"{len(changed)} of {len(times)} differ measurably in time at batch 1{reach}.{cause}")
    return found


def _times(pair: Pair) -> tuple[Timing, Timing] | None:
    """The times of both on the first runtime that both were timed on, at batch 1."""
    there = {time.setting: time for time in pair.after.timings if time.batch == 1}
    return next(((time, there[time.setting]) for time in pair.before.timings if time.setting in there), None)


def _table(pairs: Sequence[Pair], sides: tuple[Side, Side], dataset: str, out: Path) -> Table:
    here = [pair for pair in pairs if pair.before.first.dataset == dataset]
    where = summary.SETS.get(dataset, dataset)
    accuracies, times, files = (
        [Linked(text=f"{what}, {side.name}", href=f"{_link(side.folder, out)}/report.html") for side in sides]
        for what in ("Accuracy", "p50", "File")
    )
    return Table(
        caption=f"On the {where}: {sides[0].name} and {sides[1].name}. Bytes are exact.",
        header=("Variant", *accuracies, "Difference (95%)", "Lost / gained", *times, *files),
        rows=tuple(_row(pair) for pair in here), source=HOW_THEY_WERE,
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


def _row(pair: Pair) -> tuple[Cell, ...]:
    digits, times = pair.before.digits, _times(pair)
    difference, flips = f"{units.points(pair.difference, digits)} ({_ends(pair)})", f"not paired: {pair.why}"
    if pair.flips is not None:
        flips = f"{pair.flips.lost:,} / {pair.flips.gained:,}, {units.p_value(pair.flips.p)}"
    return (
        pair.before.label, accuracy(pair.before), accuracy(pair.after), difference, flips,
        *(f"{units.ms(time.p50_ms)} ({RUNTIMES.get(time.runtime, time.runtime)})" for time in times or ()),
        *(() if times else (NONE, NONE)),
        units.bytes(pair.before.file_bytes), units.bytes(pair.after.file_bytes),
    )  # fmt: skip


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
    axis = charts.axis("accuracy on the test split (%)", percent=True)
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
        f"{pair.before.label} {units.percent(pair.before.accuracy)} and {units.percent(pair.after.accuracy)}"
        for pair in pairs
    ]
    return charts.picture(
        "compared-accuracy", (rule + dot).properties(width=charts.WIDTH_PX, height=alt.Step(13)),
        "Accuracy on the test split in both runs; the lines are 95% intervals.",
        f"Accuracy in {first.name} and {second.name}: {'; '.join(said)}.",
    )  # fmt: skip
