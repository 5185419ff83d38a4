"""The chart of the first page: accuracy against time and against size, every variant labelled.

Accuracy is drawn by its error on a logarithmic scale, so that networks above 90% lie apart. What was done to a network
is told by the shape of its point, int8 by filling it: colour only repeats that.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from petiole import units
from petiole.evidence import Group
from petiole.report import charts
from petiole.report.blocks import Picture
from petiole.report.labels import spread_out, without_crossings
from petiole.report.timings import RUNTIMES

WHOLE, MASKED, NARROWED, SCRATCH = "whole network", "weights zeroed", "channels removed", "trained from scratch"
SHAPES = {WHOLE: "circle", MASKED: "triangle-down", NARROWED: "diamond", SCRATCH: "square"}
SIGNS = {WHOLE: "○●", MASKED: "▽▼", NARROWED: "◇◆", SCRATCH: "□■"}
"""Before the label of a point, hollow and filled: so that it is found where its line passes another one."""
COLOURS = dict(zip(SHAPES, charts.COLOURS, strict=False))
PRECISIONS = ("float32 (hollow)", "int8 (filled)")
HEIGHT_PX, PLOT_PX, LABELS_PX, LINE_PX = 350.0, 420.0, 230.0, 15.0
LEADER_PX = 14.0
"""From the plot to the labels, whose lines end there."""
NARROW_PX = 180.0
"""Of the plot on a phone."""
RUNTIMES_OF_FILES = ("openvino", "onnxruntime")
STEPS = (
    (1, 2, 5),
    (1, 1.5, 2, 3, 5, 7),
    (1, 1.5, 2, 3, 4, 6, 8),
    (1, 1.2, 1.4, 1.7, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9),
    tuple(step / 10 for step in range(10, 100)),
)
"""Ticks of a logarithmic axis within each power of ten: the first ones that are enough and span the points."""
ENOUGH_TICKS_X = 4
END = 0.2
"""Share of the axis at either end that holds a tick."""
ENOUGH_TICKS = 3
TICKS = (
    (0.999, 0.998, 0.995, 0.99, 0.98, 0.97, 0.95, 0.93, 0.9, 0.8, 0.7, 0.5, 0.3, 0.1),
    *(tuple(at / 1000 for at in range(1000 - step, 0, -step)) for step in (50, 20, 10, 5, 2, 1)),
)
"""Of the axis of accuracies, likewise."""


@dataclass(frozen=True, kw_only=True)
class _Point:
    group: Group
    x: float
    text: str
    runtime: str = ""  # that x is the time on, if it is one

    @property
    def is_int8(self) -> bool:
        """Whether it is stored, or where its time is drawn, computed in int8."""
        return self.group.engine != "torch" and not (self.runtime and self.group.computes_in_float(self.runtime))

    @property
    def is_float_there(self) -> bool:
        """Whether it is stored in int8, and computed in float on the runtime whose time is drawn."""
        return self.group.engine != "torch" and not self.is_int8

    @property
    def kind(self) -> str:
        if "structured" in self.group.name:
            return NARROWED
        if "Pruned" in self.group.name:
            return MASKED
        return SCRATCH if self.group.name == "CNNScratch" else WHOLE


def overview(groups: Sequence[Group], name: str) -> list[Picture]:
    """Accuracy against time and against file size; what was not timed is missing in the first."""
    runtime = fastest_runtime(groups)
    timed = [
        _Point(group=group, x=time.p50_ms, text=units.ms(time.p50_ms), runtime=runtime)
        for group in groups
        for time in group.timings
        if (time.runtime, time.batch) == (runtime, 1) and time.p50_ms > 0
    ]
    sized = [
        _Point(group=each, x=each.file_bytes, text=units.bytes(each.file_bytes)) for each in groups if each.file_bytes
    ]
    found = []
    if len(timed) > 1:
        what = f"time of one call on {RUNTIMES[runtime]}, batch 1, median"
        found.append(_chart(timed, f"{name}-time", f"{what} (ms, log scale)", f"{what} (spread: see the table)"))
    if len(sized) > 1:
        what = "size of the deployed file"
        found.append(_chart(sized, f"{name}-size", f"{what} (bytes, log scale)", f"{what} (exact)"))
    return found


def fastest_runtime(groups: Sequence[Group]) -> str:
    """Of the runtimes that time as many networks as any, the one with the shortest time of all."""
    times = {
        runtime: [time.p50_ms for group in groups for time in group.singles if time.runtime == runtime]
        for runtime in RUNTIMES_OF_FILES
    }
    most = max(map(len, times.values()))
    return min((name for name in times if len(times[name]) == most), key=lambda name: min(times[name], default=0.0))


def non_dominated(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Of points ``(cost, value)`` those that no other one equals or beats in both, from cheap to costly.

    >>> non_dominated([(2.0, 0.9), (1.0, 0.8), (3.0, 0.85), (2.0, 0.7)])
    [(1.0, 0.8), (2.0, 0.9)]
    """
    front: list[tuple[float, float]] = []
    for cost, value in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or value > front[-1][1]:
            front.append((cost, value))
    return front


def _chart(points: Sequence[_Point], name: str, title: str, what: str) -> Picture:
    whole = any(each.group.accuracy == 1 for each in points)
    scale = "log scale, where no error is drawn as half a picture" if whole else "log scale"
    has_front = len(non_dominated([(each.x, each.group.accuracy) for each in points])) > 1
    dashed = (
        "Dashed: the highest accuracy measured without spending more; a step smaller than the intervals or the "
        "spread may be chance. "
        if has_front
        else ""
    )
    floats = ", in float on this runtime: hollow" if any(each.is_float_there for each in points) else ""
    said = [
        f"{each.group.label} ({each.kind}, {'int8' if each.is_int8 else 'float32'}) "
        f"{units.percent(each.group.accuracy, each.group.digits)}, {each.text}"
        for each in points
    ]
    return charts.picture(
        name,
        _drawn(points, title, PLOT_PX),
        f"Accuracy on the test split against the {what}. Hollow: float32; filled: int8{floats}. Upright lines: 95% "
        f"intervals. {dashed}The distance from 100% is on a {scale}.",
        f"Accuracy against the {what}: {'; '.join(said)}.",
        narrow=_drawn(points, title, NARROW_PX),
    )


def _drawn(points: Sequence[_Point], title: str, plot_px: float) -> charts.Chart:
    """The chart with a plot of that width and the labels beside it."""
    error = _error(points)
    bottom = max(error(each.group.interval[0]) for each in points) * 1.05
    top = min(min(error(each.group.interval[1]) for each in points), 0.5) * 0.95
    left, right = min(each.x for each in points) / 1.12, max(each.x for each in points) * 1.12
    end = right * (right / left) ** (LABELS_PX / plot_px)

    def pixel(value: float) -> float:
        return HEIGHT_PX * math.log(value / top) / math.log(bottom / top)

    def across(value: float) -> float:
        return plot_px * math.log(value / left) / math.log(right / left)

    spots = [(across(each.x), pixel(error(each.group.accuracy))) for each in points]
    free = spread_out(sorted(height for _, height in spots), LINE_PX, HEIGHT_PX)
    places = without_crossings(spots, free, across=plot_px + LEADER_PX)
    rows = [
        {
            "x": each.x, "error": error(each.group.accuracy), "low": error(each.group.interval[0]),
            "high": error(each.group.interval[1]), "kind": each.kind,
            "precision": PRECISIONS[each.is_int8], "fill": COLOURS[each.kind] if each.is_int8 else charts.PAPER,
            "label": f"{SIGNS[each.kind][each.is_int8]} {each.group.label}",
            "at": right * (right / left) ** (LEADER_PX / plot_px), "to": top * (bottom / top) ** (place / HEIGHT_PX),
        }
        for each, place in zip(points, places, strict=True)
    ]  # fmt: skip
    front = non_dominated([(each.x, each.group.accuracy) for each in points])
    steps = [{"x": x, "error": error(value)} for x, value in front]
    columns = 4 if plot_px == PLOT_PX else 2
    chart = _layers(rows, steps, title, (left, end, right), (top, bottom), columns)
    return chart.properties(width=plot_px + LABELS_PX, height=HEIGHT_PX)


def _error(points: Sequence[_Point]) -> Callable[[float], float]:
    """The error of an accuracy; without any it is drawn as half a picture, for a log scale has no zero."""
    half = 0.5 / max(each.group.total for each in points)
    return lambda accuracy: max(1 - accuracy, half)


def _layers(
    rows: list[dict[str, Any]], steps: list[dict[str, float]], title: str, reach: tuple[float, float, float],
    height: tuple[float, float], columns: int,
) -> charts.Chart:  # fmt: skip
    """The chart with the kinds in that many columns of its legend; its grid ends where the labels begin."""
    left, end, right = reach
    ticks = _enough([1 - value for value in values if height[0] <= 1 - value <= height[1]] for values in TICKS)
    ticks_x = _ticks(left, right)
    options: dict[str, Any] = {"titleAnchor": "start", "values": ticks_x, "domain": False, "labelOverlap": True}
    x_axis = charts.bytes_axis(title, **options) if "bytes" in title else alt.Axis(title=title, format="~g", **options)
    y_axis = alt.Axis(
        title="accuracy on the test split (%)", values=ticks, labelExpr="format(1 - datum.value, '.3~%')", domain=False,
        grid=False,
    )  # fmt: skip
    x_scale = alt.Scale(type="log", domain=[left, end], nice=False)
    y_scale = alt.Scale(type="log", domain=[height[1], height[0]], nice=False)

    def x(field: str) -> alt.X:
        return alt.X(f"{field}:Q", axis=x_axis, scale=x_scale)

    def y(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", axis=y_axis, scale=y_scale)

    base = alt.Chart(charts.data(rows))
    kinds = [kind for kind in SHAPES if any(row["kind"] == kind for row in rows)]
    shades = [COLOURS[kind] for kind in kinds]
    colour = alt.Scale(domain=kinds, range=shades)
    hollow = _legend(columns, symbolFillColor="transparent")
    shape = alt.Shape("kind:N", scale=alt.Scale(domain=kinds, range=[SHAPES[kind] for kind in kinds]), legend=hollow)
    front = alt.Chart(charts.data(steps)).mark_line(color=charts.INK, strokeDash=[4, 3], interpolate="step-after")
    lines = alt.Chart(charts.data([{"x": left, "to": right, "error": value} for value in ticks]))
    grid = lines.mark_rule(color=charts.INK, opacity=0.22).encode(x=x("x"), x2="to:Q", y=y("error"))
    leader = base.mark_rule(strokeWidth=0.8, opacity=0.6)
    spread = base.mark_rule(strokeWidth=1.2, opacity=0.5).encode(
        x=x("x"), y=y("low"), y2="high:Q", color=alt.Color("kind:N", scale=colour, legend=hollow)
    )
    point = base.mark_point(size=95, strokeWidth=2, opacity=1).encode(
        x=x("x"), y=y("error"), shape=shape, color=alt.Color("kind:N", scale=colour, legend=hollow),
        fill=alt.Fill("fill:N", scale=None),
    )  # fmt: skip
    text = base.mark_text(align="left", dx=3, fontSize=11.5, color=charts.INK).encode(
        x=x("at"), y=y("to"), text="label:N"
    )
    return alt.layer(
        grid,
        leader.encode(
            x=x("x"), y=y("error"), x2="at:Q", y2="to:Q", color=alt.Color("kind:N", scale=colour, legend=hollow)
        ), front.encode(x=x("x"), y=y("error")),
        spread, point, text, _precisions(rows, columns // 2),
    )  # fmt: skip


def _legend(columns: int, **options: Any) -> alt.Legend:
    return alt.Legend(title=None, orient="top", labelLimit=260, columns=columns, columnPadding=12, **options)


def _precisions(rows: Sequence[dict[str, Any]], columns: int) -> alt.Chart:
    """Nothing but the legend of hollow and filled points: of those that are there."""
    first = {row["precision"]: row for row in rows}
    there = [name for name in PRECISIONS if name in first]
    scale = alt.Scale(domain=there, range=["transparent" if name == PRECISIONS[0] else charts.INK for name in there])
    legend = _legend(columns, symbolType="circle", symbolStrokeColor=charts.INK)
    unseen = alt.Chart(charts.data([first[name] for name in there])).mark_point(size=0, strokeWidth=0)
    fill = alt.Fill("precision:N", scale=scale, legend=legend)
    found: alt.Chart = unseen.encode(x="x:Q", y="error:Q", fill=fill)
    return found


def _ticks(low: float, high: float) -> list[float]:
    """A few round numbers within the points, from one end to the other.

    >>> _ticks(1.19, 4.59), _ticks(3.9, 4.2)
    ([1.5, 2.0, 3.0, 4.0], [3.9, 4.0, 4.1, 4.2])
    """
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    first, last = low * (high / low) ** END, high / (high / low) ** END
    ticks: list[float] = []
    for steps in STEPS:
        every = [float(f"{step}e{exponent}") for exponent in exponents for step in steps]
        ticks = [tick for tick in every if low <= tick <= high]
        if len(ticks) >= ENOUGH_TICKS_X and ticks[0] <= first and ticks[-1] >= last:
            break
    return ticks


def _enough(tried: Iterable[list[float]]) -> list[float]:
    """The first list that has enough ticks, else the last one."""
    found: list[float] = []
    for found in tried:
        if len(found) >= ENOUGH_TICKS:
            break
    return found
