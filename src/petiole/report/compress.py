"""The report of a search: what was chosen, whether it keeps the limits, what else there was, how to make it again."""

from collections.abc import Sequence
from statistics import fmean

from petiole import stats, units
from petiole.evidence import groups
from petiole.records import Accuracy, Latency, Variant
from petiole.report import candidates, details, flips, provenance, summary
from petiole.report.blocks import NONE, Block, Cell, Chapter, Counted, Linked, Page, Steps, Table, Text
from petiole.report.candidates import accuracy
from petiole.report.timings import RUNTIMES
from petiole.search_records import Limit, SearchResults

OBJECTIVES = {
    "latency": "the fastest network", "size": "the smallest network",
    "macs": "the network with the fewest multiply-accumulates", "accuracy": "the most accurate network",
}  # fmt: skip
SEARCHED = (
    "Recipes were compared on training photos that their networks had not learned from. The test split was opened "
    "once, for the reference and the finalists, whose order had been fixed before."
)
GIVEN = "A recipe was given: nothing was searched. The test split was opened once, for the reference and its network."
JUDGED = (
    "It can only object: to a network that breaks a limit, or whose file does not call the photos as the network does. "
    "A limit on accuracy is judged on a 95% interval, that on the drop by the paired difference (Tango 1998), not on "
    "the figure itself."
)
AGAIN = "again"
"""Anchor of the chapter that tells how everything is made again."""
RECIPE = "the network of the recipe that was given"
WORDS = {"kept": "is kept", "broken": "is broken", "undecided": "is not decided by these photos"}


def page(results: SearchResults) -> Page:
    """The whole report, ready to be rendered."""
    every = groups(results.variants)
    contents: list[tuple[str, str, Sequence[Block]]] = [
        ("limits", "The limits", _limits(results)),
        ("candidates", "What else there was", candidates.candidates(results)),
        ("photos", "The photos", _photos(results)),
        (
            AGAIN,
            "How to make it again",
            [*(Text(text=line) for line in again(results)), *provenance.files(results, every)],
        ),
    ]
    chapters = [
        Chapter(anchor=anchor, title=title, blocks=tuple(blocks), source=AGAIN) for anchor, title, blocks in contents
    ]
    return Page(
        title=title(results),
        byline=_byline(results),
        facts=tuple(summary.facts(results)), banners=tuple(summary.banners(results)),
        failures=tuple(summary.failures(results)), findings=tuple(findings(results)), tables=(_judged(results),),
        tables_title="On the test split", pictures=candidates.pictures(results),
        chapters=tuple(chapters), places=provenance.places(every),
    )  # fmt: skip


def title(results: SearchResults) -> str:
    """What came out."""
    return f"Compressed: {results.chosen.name}" if results.chosen else "No network keeps the limits"


def _byline(results: SearchResults) -> str:
    what = f"{OBJECTIVES[results.objective]} found for these photos" if results.candidates else RECIPE
    if results.chosen is None:
        return f"What was looked for: {what}, within the limits"
    undecided = [limit.limit for limit in results.chosen.limits if limit.verdict == "undecided"]
    within = f"; whether it keeps {', '.join(undecided)}, they cannot tell" if undecided else ", within the limits"
    return f"{what[0].upper()}{what[1:]}{within}"


def verdict(limit: Limit) -> str:
    """A limit's verdict in words, with the number of photos that would decide it.

    >>> verdict(Limit(limit="--max-drop 1", found="", verdict="undecided", photos_needed=381))
    'is not decided by these photos (about 381 test photos would decide it)'
    """
    needed = f" (about {limit.photos_needed:,} test photos would decide it)" if limit.photos_needed else ""
    return WORDS[limit.verdict] + needed


def findings(results: SearchResults) -> list[str]:
    """The choice against the reference: accuracy, time and size, each with what the numbers carry."""
    chosen = results.chosen
    if chosen is None:
        said = "None of the networks that were made keeps every limit; the closest ones are in the table."
        if results.candidates and any(
            all(limit.verdict != "broken" for limit in each.limits if limit.is_exact) for each in results.finalists
        ):
            said = "Nothing was chosen: the network that held-out photos put first breaks a limit on the test split."
        limits = [(each.name, limit) for each in results.finalists for limit in each.limits]
        return [said, *(f"{name}: {limit.limit} {verdict(limit)}: {limit.found}." for name, limit in limits)]
    reference = _reference(results)
    found = [
        f"Chosen: {chosen.name}, {accuracy(chosen.accuracy)} on the test split; the float "
        f"reference {reference.name} has {accuracy(reference.accuracy)}."
    ]
    if chosen.versus_reference is not None and chosen.ci95 is not None and chosen.difference is not None:
        versus = chosen.versus_reference
        found.append(
            f"Against the reference it loses {versus.lost} and gains {versus.gained} of {chosen.accuracy.total} test "
            f"photos: {_points(chosen.difference, chosen.ci95, chosen.accuracy.total)} points (95% interval; "
            f"{units.p_value(versus.mcnemar_p)})."
        )
    if chosen.speedup is not None:
        ratio, low, high = chosen.speedup
        speed = "no measurable difference in time" if low <= 1 <= high else f"{_speed(ratio, low, high)} as fast"
        found.append(
            f"One picture takes {_time(chosen.latency)} on {_runtime(chosen.latency)} (median, middle half of the "
            f"calls), the reference {_time(reference.latency[0])} on {_runtime(reference.latency[0])}: {speed}. The "
            f"file has {units.bytes(chosen.file_bytes)}, the reference's {units.bytes(reference.file_bytes)}: "
            f"{_smaller(chosen.file_bytes, reference.file_bytes)}."
        )
    found += [f"{limit.limit} {verdict(limit)}: {limit.found}." for limit in chosen.limits]
    return found


def _time(time: Latency) -> str:
    return units.spread(time.p50_ms, time.p25_ms, time.p75_ms)


def _runtime(time: Latency) -> str:
    return RUNTIMES.get(time.runtime, time.runtime)


def _smaller(size_bytes: int, reference_bytes: int) -> str:
    ratio = reference_bytes / size_bytes
    return f"{units.times(ratio)} smaller" if ratio >= 1 else f"{units.times(1 / ratio)} larger"


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
            accuracy(row.accuracy), _balanced(row.accuracy),
            NONE if final is None or final.difference is None or final.ci95 is None
            else _points(final.difference, final.ci95, final.accuracy.total),
            _time(time), _runtime(time),
            NONE if final is None or final.speedup is None else _speed(*final.speedup),
            Counted.of(row.file_bytes, units.bytes), Counted.of(row.macs, units.count),
        ))  # fmt: skip
    return Table(
        caption=f"Judged on {results.variants[0].accuracy.total:,} test photos. Balanced: mean of the classes' "
        "accuracies. Points of accuracy and speed: against the reference, the speed in the same rounds of timing. "
        "Times: median and middle half of the calls at batch 1. Bytes and MACs are exact counts, shortened.",
        header=("Network", "Accuracy (95%)", "Balanced (95%)", "Points (95%)", "p50 (p25-p75)", "Runtime",
                "Speed (95%)", "File", "MACs"),
        rows=tuple(rows), words=frozenset({5}),
    )  # fmt: skip


def _balanced(judged: Accuracy) -> str:
    lines = judged.confusion
    if not any(map(any, lines)):  # not recorded
        return units.percent(fmean(judged.by_class.values())) if judged.by_class else NONE
    mean, low, high = stats.balanced(lines)
    return units.accuracy(mean, (low, high), judged.total)


def _points(difference: float, interval: tuple[float, float], pictures: int) -> str:
    digits = units.digits(pictures)
    value, low, high = (units.points(each, digits).removesuffix(" points") for each in (difference, *interval))
    return f"{value} ({low} to {high})"


def _speed(ratio: float, low: float, high: float) -> str:
    return f"{ratio:.2f}x ({low:.2f}-{high:.2f})"


def _found(name: Linked | None, limit: Limit) -> Cell:
    return Linked(text=limit.found, href=name.href) if name else limit.found


def _limits(results: SearchResults) -> list[Block]:
    named = {group.name: provenance.named(group) for group in groups(results.variants)}
    table = Table(
        caption="Each limit, what was found, and what follows.",
        header=("Network", "Limit", "Found", "Verdict"),
        rows=tuple(
            (named.get(each.name, each.name), limit.limit, _found(named.get(each.name), limit), verdict(limit))
            for each in results.finalists
            for limit in each.limits
        ),
        words=frozenset({1, 2, 3}),
    )
    made = Steps(steps=tuple((row.name, row.how) for row in results.variants))
    shown = flips.flips(results, [group for group in groups(results.variants) if group.name != results.reference])
    return [Text(text=f"{SEARCHED if results.candidates else GIVEN} {JUDGED}"), table, made, *shown]


def _photos(results: SearchResults) -> list[Block]:
    record = results.data.photos
    return [] if record is None else [*flips.samples(results), *details.photos(record)]


def again(results: SearchResults) -> list[str]:
    """How the search, the network and its figures are made again."""
    tried = results.tried
    space = "; ".join(f"{key}: {', '.join(str(value) for value in values)}" for key, values in tried.space.items())
    return [
        f"Everything, as it was run: {results.run.command} (it goes on where it was stopped).",
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
        *(
            [f"The space that was searched: {space}. Budget: {units.seconds(tried.budget_s)}. Database: {tried.study}."]
            if results.candidates
            else []
        ),
    ]
