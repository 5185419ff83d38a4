"""The report of a search: what was chosen, whether it keeps the limits, what else there was, how to make it again."""

from collections.abc import Sequence
from statistics import fmean

import altair as alt

from petiole import stats, units
from petiole.evidence import groups
from petiole.records import Accuracy, Variant
from petiole.report import charts, details, flips, provenance, summary
from petiole.report.blocks import NONE, Block, Cell, Chapter, Linked, Page, Picture, Steps, Table, Text
from petiole.report.overview import non_dominated
from petiole.report.tables import RUNTIMES
from petiole.search_records import Candidate, Finalist, Limit, SearchResults

OBJECTIVES = {
    "latency": "the fastest", "size": "the smallest", "macs": "the one with fewest multiply-accumulates",
    "accuracy": "the most accurate",
}  # fmt: skip
HONEST = (
    "Recipes were compared on training photos that their networks had not learned from. The test split was opened "
    "once, for the reference and the finalists, whose order had been fixed before. It can only object: to a network "
    "that breaks a limit, or whose file does not call the photos as the network does. A limit on accuracy is judged on "
    "a 95% interval, that on the drop by the paired difference (Tango 1998), not on the figure itself."
)
AGAIN = "again"
"""Anchor of the chapter that tells how everything is made again."""
WORDS = {"kept": "is kept", "broken": "is broken", "undecided": "is not decided by these photos"}


def page(results: SearchResults) -> Page:
    """The whole report, ready to be rendered."""
    every = groups(results.variants)
    contents: list[tuple[str, str, Sequence[Block]]] = [
        ("limits", "The limits", _limits(results)),
        ("candidates", "What else there was", _candidates(results)),
        ("photos", "The photos", _photos(results)),
        (AGAIN, "How to make it again", [*(Text(text=line) for line in again(results)), *provenance.files(every)]),
    ]
    chapters = [
        Chapter(anchor=anchor, title=title, blocks=tuple(blocks), source=AGAIN) for anchor, title, blocks in contents
    ]
    chosen = results.chosen
    return Page(
        title=f"Compressed: {chosen.name}" if chosen else "No network keeps the limits",
        byline=f"{OBJECTIVES[results.objective]} network for these photos, within the limits".capitalize(),
        facts=tuple(summary.facts(results)), banners=tuple(summary.banners(results)),
        failures=tuple(summary.failures(results)), findings=tuple(findings(results)), tables=(_judged(results),),
        tables_title="On the test split", pictures=(_chart(results),) if results.candidates else (),
        chapters=tuple(chapters), places=provenance.named_places(every),
    )  # fmt: skip


def verdict(limit: Limit) -> str:
    """A limit's verdict in words, with the number of photos that would decide it.

    >>> verdict(Limit(limit="--max-drop 1", found="", verdict="undecided", photos_needed=381))
    'is not decided by these photos (about 381 test photos would)'
    """
    needed = f" (about {limit.photos_needed:,} test photos would)" if limit.photos_needed else ""
    return WORDS[limit.verdict] + needed


def findings(results: SearchResults) -> list[str]:
    """The choice against the reference: accuracy, time and size, each with what the numbers carry."""
    chosen = results.chosen
    if chosen is None:
        said = "None of the networks that were made keeps every limit; the closest ones are in the table."
        if any(all(limit.verdict != "broken" for limit in each.limits if limit.is_exact) for each in results.finalists):
            said = "Nothing was chosen: the network that held-out photos put first breaks a limit on the test split."
        limits = [(each.name, limit) for each in results.finalists for limit in each.limits]
        return [said, *(f"{name}: {limit.limit} {verdict(limit)}: {limit.found}." for name, limit in limits)]
    reference = _reference(results)
    found = [
        f"Chosen: {chosen.name}, {_accuracy(chosen.accuracy.value, chosen.accuracy.ci95)} on the test split; the float "
        f"reference {reference.name} has {_accuracy(reference.accuracy.value, reference.accuracy.ci95)}."
    ]
    if chosen.versus_reference is not None and chosen.ci95 is not None and chosen.difference is not None:
        versus = chosen.versus_reference
        found.append(
            f"Against the reference it loses {versus.lost} and gains {versus.gained} of {chosen.accuracy.total} test "
            f"photos: {units.points(chosen.difference)}, between {units.points(chosen.ci95[0])} and "
            f"{units.points(chosen.ci95[1])} (95% interval; {units.p_value(versus.mcnemar_p)})."
        )
    if chosen.speedup is not None:
        ratio, low, high = chosen.speedup
        speed = (
            "no measurable difference in time"
            if low <= 1 <= high
            else f"{units.times(ratio)} as fast ({low:.2f}-{high:.2f})"
        )
        found.append(
            f"One picture takes {units.ms(chosen.latency.p50_ms)} on {_runtime(chosen)} (median), the reference "
            f"{units.ms(reference.latency[0].p50_ms)} on {RUNTIMES[reference.latency[0].runtime]}: {speed}. The file "
            f"has {units.bytes(chosen.file_bytes)}, the reference's {units.bytes(reference.file_bytes)}: "
            f"{units.times(reference.file_bytes / chosen.file_bytes)} smaller."
        )
    found += [f"{limit.limit} {verdict(limit)}: {limit.found}." for limit in chosen.limits]
    return found


def _runtime(finalist: Finalist) -> str:
    return RUNTIMES.get(finalist.latency.runtime, finalist.latency.runtime)


def _accuracy(value: float, ci95: tuple[float, float]) -> str:
    return f"{units.percent(value)} ({units.interval(*ci95)})"


def _reference(results: SearchResults) -> Variant:
    return next(row for row in results.variants if row.name == results.reference)


def _judged(results: SearchResults) -> Table:
    finals = {each.name: each for each in results.finalists}
    rows = []
    for row in results.variants:
        final = finals.get(row.name)
        time = row.latency[0]
        rows.append((
            Linked(
                text=row.name + (" (reference)" if row.name == results.reference else ""),
                href=f"#{provenance.anchor(row)}",
            ),
            _accuracy(row.accuracy.value, row.accuracy.ci95), _balanced(row.accuracy),
            NONE if final is None or final.difference is None or final.ci95 is None
            else _points(final.difference, final.ci95),
            f"{units.ms(time.p50_ms)} ({units.ms(time.p25_ms).removesuffix(' ms')}-{units.ms(time.p75_ms)})",
            RUNTIMES.get(time.runtime, time.runtime),
            NONE if final is None or final.speedup is None else _speed(*final.speedup),
            units.bytes(row.file_bytes), units.count(row.macs),
        ))  # fmt: skip
    return Table(
        caption=f"Judged on {results.variants[0].accuracy.total:,} test photos. Balanced: mean of the classes' "
        "accuracies. Points of accuracy and speed: against the reference, the speed in the same rounds of timing. "
        "Times: median and middle half of the calls at batch 1. Bytes and MACs are exact counts.",
        header=("Network", "Accuracy (95%)", "Balanced (95%)", "Points (95%)", "p50 (p25-p75)", "Runtime",
                "Speed (95%)", "File", "MACs"),
        rows=tuple(rows), words=frozenset({5}),
    )  # fmt: skip


def _balanced(accuracy: Accuracy) -> str:
    if not accuracy.confusion:  # not recorded
        return units.percent(fmean(accuracy.by_class.values())) if accuracy.by_class else NONE
    mean, low, high = stats.balanced(accuracy.confusion)
    return _accuracy(mean, (low, high))


def _points(difference: float, interval: tuple[float, float]) -> str:
    value, low, high = (units.points(each).removesuffix(" points") for each in (difference, *interval))
    return f"{value} ({low} to {high})"


def _speed(ratio: float, low: float, high: float) -> str:
    return f"{units.times(ratio)} ({low:.2f}-{high:.2f})"


def _limits(results: SearchResults) -> list[Block]:
    named: dict[str, Cell] = {group.name: provenance.named(group) for group in groups(results.variants)}
    table = Table(
        caption="Each limit, what was found, and what follows.",
        header=("Network", "Limit", "Found", "Verdict"),
        rows=tuple(
            (named.get(each.name, each.name), limit.limit, limit.found, verdict(limit))
            for each in results.finalists
            for limit in each.limits
        ),
        words=frozenset({1, 2, 3}),
    )
    made = Steps(steps=tuple((row.name, row.how) for row in results.variants))
    shown = flips.flips(results, [group for group in groups(results.variants) if group.name != results.reference])
    return [Text(text=HONEST), table, made, *shown]


def _candidates(results: SearchResults) -> list[Block]:
    tried = results.tried
    if not results.candidates:
        return [Text(text="A recipe was given: nothing was searched.")]
    text = (
        f"Recipes looked at: {tried.first_look}. Their output layer learned from {tried.learned:,} training photos, "
        f"what pruning left was refitted, and they were judged on {tried.held_out:,} others. Trained in full, of these "
        f"and of other ways to int8 of the same networks: {tried.retrained}, "
        + (
            f"each {tried.folds} times on other photos, until every training photo had been held out once."
            if tried.folds > 1
            else "on the same photos."
        )
    )
    blocks: list[Block] = [Text(text=text), _table(
        results.pareto, "Candidates that no other one beats in accuracy, log loss, time, size and MACs alike "
        "(held-out training photos).")]  # fmt: skip
    rest = [each for each in results.candidates if each not in results.pareto]
    if rest:
        blocks.append(
            _table(rest, "The other candidates, and the first look at those that were trained in full later.")
        )
    if tried.given_up:
        blocks.append(
            Table(caption="Given up.", header=("Recipe", "Why"), rows=tuple(tried.given_up), words=frozenset({1}))
        )
    return blocks


def _table(rows: list[Candidate], caption: str) -> Table:
    cells = tuple(
        (
            provenance.file(each.recipe_file, each.name), "all of it" if each.retrained else "output layer",
            f"{each.accuracy.correct}/{each.accuracy.total}", _accuracy(each.accuracy.value, each.accuracy.ci95),
            f"{each.log_loss:.3f}", units.ms(each.p50_ms), units.bytes(each.file_bytes), units.count(each.macs),
        )
        for each in sorted(rows, key=lambda each: each.p50_ms)
    )  # fmt: skip
    single = "Log loss and time are single figures, to put recipes in order by; bytes and MACs are exact."
    return Table(
        caption=f"{caption} {single}", rows=cells, words=frozenset({1}),
        header=("Recipe", "Trained", "Right", "Accuracy (95%)", "Log loss (nats)", "p50, batch 1", "File", "MACs"),
    )  # fmt: skip


def _chart(results: SearchResults) -> Picture:
    chosen = results.chosen.name if results.chosen else ""
    rows = [
        {
            "name": each.name, "ms": each.p50_ms, "value": each.accuracy.value, "low": each.accuracy.ci95[0],
            "high": each.accuracy.ci95[1], "kind": str(each.recipe["quantization"]).replace("none", "float"),
            "trained": "trained in full" if each.retrained else "first look",
            "label": each.name if each.name == chosen and each.retrained else "",
        }
        for each in results.candidates
    ]  # fmt: skip
    kinds = list(dict.fromkeys(str(row["kind"]) for row in rows))
    stages = ["first look", "trained in full"]
    scale = alt.Scale(zero=False)
    base = alt.Chart(charts.data(rows)).encode(
        x=alt.X("ms:Q", axis=alt.Axis(title="time of one picture, median (ms)"), scale=scale),
        y=alt.Y("value:Q", axis=charts.axis("accuracy on held-out training photos (%)", percent=True), scale=scale),
    )
    dots = base.mark_point(size=80, strokeWidth=2).encode(
        color=charts.colour("kind", kinds), shape=alt.Shape("kind:N", scale=alt.Scale(domain=kinds), legend=None),
        fillOpacity=alt.FillOpacity("trained:N", scale=alt.Scale(domain=stages, range=[0, 1]), legend=None),
        fill=charts.colour("kind", kinds, hide=True),
    )  # fmt: skip
    text = base.mark_text(align="left", dx=8, dy=-8, color=charts.INK).encode(text="label:N")
    front = non_dominated([(each.p50_ms, each.accuracy.value) for each in results.pareto])
    line = alt.Chart(charts.data([{"ms": ms, "value": value} for ms, value in front])).mark_line(
        color=charts.INK, strokeDash=[4, 3], interpolate="step-after"
    )
    line = line.encode(x="ms:Q", y="value:Q", order="ms:Q")
    best = max(results.candidates, key=lambda each: each.accuracy.value)
    fastest = min(results.candidates, key=lambda each: each.p50_ms)
    return charts.picture(
        "candidates", (line + dots + text).properties(width=charts.WIDTH_PX, height=260),
        "Accuracy on held-out training photos against time: hollow, the first look; filled, trained in full. Dashed: "
        "the best accuracy within each time.",
        f"Accuracy against time of {len(rows)} candidates; most accurate is {best.name} "
        f"({units.percent(best.accuracy.value)}), fastest {fastest.name} ({units.ms(fastest.p50_ms)}).",
    )  # fmt: skip


def _photos(results: SearchResults) -> list[Block]:
    record = results.data.photos
    return [] if record is None else [*flips.samples(results), *details.photos(record)]


def again(results: SearchResults) -> list[str]:
    """How the search, the network and its figures are made again."""
    tried = results.tried
    space = "; ".join(f"{key}: {', '.join(str(value) for value in values)}" for key, values in tried.space.items())
    return [
        f"The whole search: {results.run.command} (it goes on where it was stopped).",
        *(
            ["This network without a search: petiole compress DATA --recipe chosen.toml --out ANOTHER."]
            if results.chosen
            else []
        ),
        *(
            ["Any other candidate: likewise, with its file in recipes/, which its name in the tables leads to."]
            if any(each.recipe_file for each in results.candidates)
            else []
        ),
        "Its predictions: petiole predict with the artifact directory and photos; its time on another machine: petiole "
        "bench with the artifact directory.",
        f"The space that was searched: {space}. Budget: {units.seconds(tried.budget_s)}. Database: {tried.study}.",
    ]
