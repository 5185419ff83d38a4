"""Pruning in pictures and tables: accuracy against amount before and after retraining, and what each layer means."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

import altair as alt

from petiole import units
from petiole.evidence import mean_interval
from petiole.records import CurvePoint, Sensitivity, Unreached, Variant
from petiole.report import charts
from petiole.report.blocks import Block, Picture, Table

CONTROL = "control"
"""Method of the points of the unpruned network, retrained as long as the others."""
KEPT = "unpruned, retrained as long"
"""What its line is called."""
AMOUNT = {
    "structured": "structured (multiply-accumulates removed)",
    "structured-random": "structured, at random (the same)",
}
LOSES = {"channels": "its least important channels", "weights": "its smallest weights"}
NOTHING = "nothing could be removed"
CANNOT = "cannot be reached"
STAY_WHOLE = (
    " Not listed: channels of which all stay, such as those of the first and the output layer and, in most networks, "
    "those that residual additions share."
)


FEW_CLASSES = 4
"""Of more, calling everything by one name reaches too little to be mistaken for something."""


def curves(
    points: Sequence[CurvePoint], unpruned: Sequence[Variant], name: str, unreached: Sequence[Unreached] = ()
) -> list[Block]:
    """A picture before retraining, one after it where there are such points, and one table of all. Before
    retraining each line begins with the ``unpruned`` network (a row for each seed), where there is one; amounts that
    are ``unreached`` are told."""
    blocks: list[Block] = []
    points, note = [*_beginnings(points, unpruned), *points], _one_name(unpruned)
    if not any(point.retrained for point in points):
        note += " petiole lab --stages pruning --study draws it after retraining as well."
    for retrained, ending in ((False, "curve"), (True, "curve-retrained")):
        if here := [point for point in points if point.retrained == retrained]:
            blocks.append(_curve(here, f"{name}-{ending}", note, retrained=retrained))
    return [*blocks, _curve_table(points, unreached)] if blocks else []


def _one_name(unpruned: Sequence[Variant]) -> str:
    """What an accuracy is worth that calling every picture by one name would reach; of few classes."""
    accuracy = unpruned[0].accuracy if unpruned else None
    if accuracy is None or not 1 < len(accuracy.confusion) <= FEW_CLASSES:
        return ""
    shares = sorted({units.percent(sum(row) / accuracy.total) for row in accuracy.confusion})
    reached = " or ".join(shares)
    draw = "Random weights: one draw for each seed, of which a larger share takes more."
    return f" Who calls every picture by one name reaches {reached}. {draw}"


def _beginnings(points: Sequence[CurvePoint], unpruned: Sequence[Variant]) -> list[CurvePoint]:
    """Nothing removed yet: a point for each method (as it is before retraining) and seed."""
    before = dict.fromkeys((point.method, point.seed) for point in points if not point.retrained)
    return [
        CurvePoint(
            method=method, scope="global", seed=seed, amount=0.0, sparsity=0.0, correct=row.accuracy.correct,
            total=row.accuracy.total,
        )
        for method, seed in before
        for row in unpruned
        if row.seed == seed
    ]  # fmt: skip


def _rows(points: Sequence[CurvePoint]) -> list[dict[str, Any]]:
    """One row for each method and amount, the mean over seeds. Channels stand where they came to: they leave in
    multiples, so that at least what was asked for is gone."""
    keys = dict.fromkeys((point.method, point.amount) for point in points)
    rows = []
    for method, amount in keys:
        here = [point for point in points if (point.method, point.amount) == (method, amount)]
        value, low, high = mean_interval([point.correct for point in here], here[0].total)
        if method in AMOUNT:
            amount = fmean(point.sparsity for point in here)
        series = KEPT if method == CONTROL else AMOUNT.get(method, method)
        rows.append({"series": series, "amount": amount, "value": value, "low": low, "high": high})
    return rows


def _curve(points: Sequence[CurvePoint], name: str, note: str, *, retrained: bool) -> Picture:
    rows = _rows(points)
    last = max(point.amount for point in points)
    drawn = [*rows, *({**row, "amount": last} for row in rows if row["series"] == KEPT)]  # from end to end
    series = list(dict.fromkeys(str(row["series"]) for row in rows))
    x = alt.X("amount:Q", axis=charts.axis("share removed (%)"))
    axis = charts.axis("accuracy on the test split (%)")
    scale = alt.Scale(zero=False, domainMax=1.0)
    base = alt.Chart(charts.data(drawn)).encode(x=x, color=charts.colour("series", series))
    band = base.mark_area(opacity=0.15).encode(y=alt.Y("low:Q", axis=axis, scale=scale), y2="high:Q")
    line = base.mark_line(strokeWidth=2).encode(
        y=alt.Y("value:Q", axis=axis, scale=scale), strokeDash=alt.StrokeDash("series:N", sort=series, legend=None)
    )
    shape = alt.Shape("series:N", scale=alt.Scale(domain=series), legend=charts.legend())  # merges with the colours'
    dot = base.mark_point(size=45, filled=True, opacity=1).encode(
        y=alt.Y("value:Q", axis=axis, scale=scale), shape=shape
    )
    when = "after retraining" if retrained else "before any retraining"
    said = [
        f"{each}: "
        + ", ".join(
            f"{units.percent(row['value'])} at {units.percent(row['amount'], 0)}"
            for row in rows
            if row["series"] == each
        )
        for each in series
    ]
    return charts.picture(
        name,
        (band + line + dot).properties(width=charts.WIDTH_PX, height=240),
        f"Accuracy against pruning amount, {when}; the band is the 95% interval (with several seeds it "
        f"covers Wilson's of their mean and Student's t).{note}",
        f"Accuracy against pruning amount, {when}. {'; '.join(said)}.",
    )


def _curve_table(points: Sequence[CurvePoint], unreached: Sequence[Unreached]) -> Table:
    """One column for each method, before and after retraining."""
    columns = list(dict.fromkeys((point.method, point.retrained) for point in points))
    rows = []
    limits = {(each.method, each.amount) for each in unreached}
    seeds = len({point.seed for point in points})
    for amount in sorted({*(point.amount for point in points), *(each.amount for each in unreached)}):
        cells = [units.percent(amount, 0)]
        for column in columns:
            here = [p for p in points if p.amount == amount and (p.method, p.retrained) == column]
            few = f", {len(here)} of {seeds} seeds" if 0 < len(here) < seeds else ""
            cells.append(_cell(here) + few if here else CANNOT if (column[0], amount) in limits else "–")
        rows.append(tuple(cells))
    over, methods = f", mean over {seeds} seeds" if seeds > 1 else "", {method for method, _ in columns}
    channels = _channels(points)
    if "structured-random" in methods:
        channels += (
            " Structured-random: as much removed, channels by chance (and, spread over all layers, from layers by "
            "chance)."
        )
    control = (
        " The control is the unpruned network, retrained as long and in the steps of the masks, from the labels (the "
        "others learn its answers)."
        if CONTROL in methods
        else ""
    )
    return Table(
        caption=f"Accuracy on the test split against the share of weights removed, with its 95% interval{over}."
        f"{channels}{control}{_limits(unreached)}",
        header=("Removed", *(f"{method}, retrained" if retrained else method for method, retrained in columns)),
        rows=tuple(rows),
    )


def _channels(points: Sequence[CurvePoint]) -> str:
    """What is removed where channels leave, and how much it really was."""
    here = [point for point in points if point.method in AMOUNT and point.amount]
    if not here:
        return ""
    reached = []
    for amount in sorted({point.amount for point in here}):
        shares = [point.sparsity for point in here if point.amount == amount]
        ends = dict.fromkeys([units.percent(min(shares)), units.percent(max(shares))])
        reached.append(f"{' to '.join(ends)} for {units.percent(amount, 0)}")
    return f" Structured: the share of the multiply-accumulates; channels leave in multiples: {', '.join(reached)}."


def _limits(unreached: Sequence[Unreached]) -> str:
    """What channels could not reach, and how far they go."""
    if not unreached:
        return ""
    amounts = " and ".join(units.percent(amount, 0) for amount in sorted({each.amount for each in unreached}))
    most = units.percent(max(each.most for each in unreached))
    return f" Channels cannot reach {amounts}: the fewest that may stay leave {most} removed, no more."


def _cell(points: Sequence[CurvePoint]) -> str:
    value, *ends = mean_interval([point.correct for point in points], points[0].total)
    return units.accuracy(value, (ends[0], ends[1]), points[0].total)


def sensitivities(found: Sequence[Sensitivity], name: str) -> list[Block]:
    """A heat map and a table for channels, and for weights; of the first seed."""
    blocks: list[Block] = []
    alone = f" Of seed {found[0].seed} alone." if len({row.seed for row in found}) > 1 else ""
    for kind, what in (("channels", "group of channels"), ("weights", "layer")):
        rows = [row for row in found if row.kind == kind and row.seed == found[0].seed]
        if rows:
            blocks += [_heat_map(rows, f"{name}-sensitivity-{kind}", what), _sensitivity_table(rows, what, alone)]
    return blocks


def _heat_map(rows: Sequence[Sensitivity], name: str, what: str) -> Picture:
    worst = max((row for row in rows if row.removed), key=lambda row: row.loss - row.loss_before, default=None)
    highest = worst.loss - worst.loss_before if worst else 0.0
    where = f"it is highest for {worst.name} ({units.percent(worst.asked, 0)})" if worst else NOTHING
    cells = [
        {
            "group": row.name,
            "asked": units.percent(row.asked, 0),
            "damage": max(0.0, row.loss - row.loss_before) if row.removed else None,
            "text": f"{row.correct}/{row.total}" if row.removed else "–",
            "ink": _ink(row.loss - row.loss_before, highest) if row.removed else charts.INK,
        }
        for row in rows
    ]
    groups = list(dict.fromkeys(row.name for row in rows))
    asked = [units.percent(amount, 0) for amount in sorted({row.asked for row in rows})]
    base = alt.Chart(charts.data(cells)).encode(
        x=alt.X("asked:N", sort=asked, axis=alt.Axis(title="share removed", labelAngle=0, orient="top")),
        y=alt.Y("group:N", sort=groups, axis=alt.Axis(title=None, labelLimit=260, domain=False, ticks=False)),
    )
    scale = alt.Scale(type="symlog", constant=0.05, range=["#f4e3c3", "#a33b1f"])
    legend = alt.Legend(title="loss rises by (nats)", orient="top", gradientLength=160)
    cell = base.mark_rect(stroke=charts.INK, strokeOpacity=0.25).encode(
        color=alt.Color("damage:Q", scale=scale, legend=legend)
    )
    text = base.mark_text(fontSize=10).encode(text="text:N", color=alt.Color("ink:N", scale=None))
    return charts.picture(
        name,
        (cell + text).resolve_scale(color="independent").properties(width=60 * len(asked), height=alt.Step(16)),
        f"What each {what} means to the network: training photos called right (of those by which nothing was chosen) "
        f"when it alone loses {LOSES[rows[0].kind]}, and nothing makes up for that; the darker, the higher the loss. "
        f"–: {NOTHING}; empty: no more than in the cell before it.{STAY_WHOLE if rows[0].kind == 'channels' else ''}",
        f"Heat map of the rise of the loss by group and share removed; {where}. The table below holds all figures.",
    )


def _ink(damage: float, highest: float) -> str:
    """What is read on the colour of a cell."""
    return "#ffffff" if damage > highest / 3 else "#222222"


def _sensitivity_table(rows: Sequence[Sensitivity], what: str, alone: str) -> Table:
    asked = sorted({row.asked for row in rows})
    found = {(row.name, row.asked): row for row in rows}
    body = []
    for name in dict.fromkeys(row.name for row in rows):
        of = next(row.of for row in rows if row.name == name)
        cells = [_sensitivity_cell(found.get((name, amount))) for amount in asked]
        body.append((name, units.count(of), *cells))
    first = rows[0]
    return Table(
        caption=f"Accuracy and loss (nats) on {first.total} training photos when one {what} alone loses "
        f"{LOSES[first.kind]}; the whole network: {units.percent(first.correct_before / first.total)}, "
        f"{first.loss_before:.3f}. It was trained on these photos: the order counts, not the figures, "
        f"which therefore have no interval.{alone}",
        header=(
            what.capitalize(),
            first.kind.capitalize(),
            *(f"{units.percent(amount, 0)} removed" for amount in asked),
        ),
        rows=tuple(body),
    )


def _sensitivity_cell(row: Sensitivity | None) -> str:
    if row is None:
        return "as before"
    if not row.removed:
        return NOTHING
    return f"{units.percent(row.correct / row.total)}, {row.loss:.3f}"
