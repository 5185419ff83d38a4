"""What a search tried besides what it chose: tables, and charts of accuracy against time and size."""

from collections.abc import Callable
from dataclasses import dataclass

import altair as alt

from petiole import units
from petiole.records import Accuracy
from petiole.report import charts, provenance
from petiole.report.blocks import Block, Counted, Picture, Table, Text
from petiole.report.overview import non_dominated
from petiole.report.timings import RUNTIMES
from petiole.search_records import Candidate, SearchResults


def accuracy(judged: Accuracy) -> str:
    """An accuracy with its interval."""
    return units.accuracy(judged.value, judged.ci95, judged.total)


def candidates(results: SearchResults) -> list[Block]:
    """How many recipes were looked at, those that no other one beats, the others, and what was given up."""
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
            f"{each.accuracy.correct}/{each.accuracy.total}", accuracy(each.accuracy),
            f"{each.log_loss:.3f}", units.ms(each.p50_ms), RUNTIMES.get(each.runtime, each.runtime),
            Counted.of(each.file_bytes, units.bytes), Counted.of(each.macs, units.count),
        )
        for each in sorted(rows, key=lambda each: each.p50_ms)
    )  # fmt: skip
    single = "Log loss and time are single figures, to put recipes in order by; bytes and MACs are exact, shortened."
    return Table(
        caption=f"{caption} {single}", rows=cells, words=frozenset({1, 6}),
        header=("Recipe", "Trained", "Right", "Accuracy (95%)", "Log loss (nats)", "p50, batch 1", "Runtime", "File",
                "MACs"),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Cost:
    """What a candidate takes: the field of its record, the word for it, the axis, its best."""

    field: str
    word: str
    axis: alt.Axis
    text: Callable[[float], str]
    best: str

    def of(self, candidate: Candidate) -> float:
        return float(getattr(candidate, self.field))


def pictures(results: SearchResults) -> tuple[Picture, ...]:
    """Accuracy on held-out training photos against time and against size; none without a search."""
    if not results.candidates:
        return ()
    time = alt.Axis(title="time of one picture, median (ms)")
    costs = (
        _Cost(field="p50_ms", word="time", axis=time, text=units.ms, best="fastest"),
        _Cost(
            field="file_bytes", word="size", axis=charts.bytes_axis("file (bytes)"), text=units.bytes, best="smallest"
        ),
    )
    return tuple(_picture(results, cost) for cost in costs)


def _picture(results: SearchResults, cost: _Cost) -> Picture:
    trained = [each for each in results.candidates if each.retrained]
    dashed = f" Dashed: the best accuracy within each {cost.word}, by the last judgement of each recipe."
    dashed = dashed if len(_front(results, cost)) > 1 else ""
    best = max(trained or results.candidates, key=lambda each: each.accuracy.value)
    least = min(trained or results.candidates, key=cost.of)
    whom = "those trained in full" if trained else "them, none of which was trained in full,"
    return charts.picture(
        f"candidates-{cost.word}", _drawn(results, cost).properties(width=charts.WIDTH_PX, height=260),
        f"Accuracy on held-out training photos against {cost.word}: hollow, the first look; filled, trained in full; "
        f"the name is that of the chosen network. Upright lines: 95% intervals.{dashed}",
        f"Accuracy against {cost.word} of {len(results.candidates)} candidates; of {whom} {best.name} is the most "
        f"accurate ({accuracy(best.accuracy)}), {cost.best} {least.name} ({cost.text(cost.of(least))}).",
    )  # fmt: skip


def _front(results: SearchResults, cost: _Cost) -> list[tuple[float, float]]:
    return non_dominated([(cost.of(each), each.accuracy.value) for each in results.pareto])


def _drawn(results: SearchResults, cost: _Cost) -> charts.Chart:
    chosen = results.chosen.name if results.chosen else ""
    rows = [
        {
            "cost": cost.of(each), "value": each.accuracy.value, "low": each.accuracy.ci95[0],
            "high": each.accuracy.ci95[1], "kind": str(each.recipe["quantization"]).replace("none", "float"),
            "trained": "trained in full" if each.retrained else "first look",
            "label": each.name if each.name == chosen and each.retrained else "",
        }
        for each in results.candidates
    ]  # fmt: skip
    kinds = list(dict.fromkeys(str(row["kind"]) for row in rows))
    stages = ["first look", "trained in full"]
    scale, axis = alt.Scale(zero=False), charts.axis("accuracy on held-out training photos (%)")
    base = alt.Chart(charts.data(rows)).encode(
        x=alt.X("cost:Q", axis=cost.axis, scale=scale), y=alt.Y("value:Q", axis=axis, scale=scale)
    )
    dots = base.mark_point(size=80, strokeWidth=2).encode(
        color=charts.colour("kind", kinds), shape=alt.Shape("kind:N", scale=alt.Scale(domain=kinds), legend=None),
        fillOpacity=alt.FillOpacity("trained:N", scale=alt.Scale(domain=stages, range=[0, 1]), legend=None),
        fill=charts.colour("kind", kinds, hide=True),
    )  # fmt: skip
    spread = base.mark_rule(opacity=0.35).encode(
        y=alt.Y("low:Q", axis=axis, scale=scale), y2="high:Q", color=charts.colour("kind", kinds)
    )
    text = base.mark_text(align="left", dx=8, dy=-8, color=charts.INK).encode(text="label:N")
    front = [{"cost": at, "value": value} for at, value in _front(results, cost)]
    line = alt.Chart(charts.data(front)).mark_line(
        color=charts.INK, strokeDash=[4, 3], interpolate="step-after"
    ).encode(x="cost:Q", y="value:Q", order="cost:Q")  # fmt: skip
    return alt.layer(spread, line, dots, text)
