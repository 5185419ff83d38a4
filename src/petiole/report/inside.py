"""What happened inside the networks, in pictures: mistakes by class, weights before and after, damage of int8."""

import math
import re
from collections.abc import Sequence
from typing import Any

import altair as alt

from petiole import units
from petiole.evidence import Group
from petiole.figure_records import LayerError
from petiole.records import Results
from petiole.report import charts
from petiole.report.blocks import Picture
from petiole.report.tables import MOST_CLASSES

CELL_PX, SMALL_CELL_PX, MOST_LARGE = 46, 24, 3
"""A class of a confusion matrix takes a large cell up to that many classes."""
WIDE_PX, NARROW_PX = 840, 420
"""What the facets of a chart take beside each other, on a page and on a phone."""
AXIS_PX, GAP_PX = 60, 20
"""What the upright axis takes, and the space between two."""
HISTOGRAM_PX = 160
LETTER_PX = 7
"""Width of a letter of a name, at most."""
MOST_LETTERS = 18
"""Of a line of a name above a chart."""


def confusions(groups: Sequence[Group], name: str) -> Picture | None:
    """Confusion matrices side by side (first seed); None without any, or with too many classes to be read."""
    shown = [group for group in groups if 2 <= len(group.first.accuracy.confusion) <= MOST_CLASSES]
    if not shown:
        return None
    rows, said, titles = [], [], []
    for group in shown:
        accuracy = group.first.accuracy
        classes = list(accuracy.by_class) if len(accuracy.by_class) == len(accuracy.confusion) else None
        names = classes or [str(at) for at in range(len(accuracy.confusion))]
        titles.append(_in_lines(group.label))
        for true, line in zip(names, accuracy.confusion, strict=True):
            share = max(1, sum(line))
            rows += [
                {"variant": titles[-1], "true": true, "called": called, "count": count, "share": count / share,
                 "ink": "#ffffff" if count > share * 0.55 else charts.INK, "text": str(count)}
                for called, count in zip(names, line, strict=True)
            ]  # fmt: skip
        wrong = sum(sum(line) for line in accuracy.confusion) - accuracy.correct
        said.append(f"{group.label} {wrong} of {accuracy.total} wrong")
    size = CELL_PX if len(names) <= MOST_LARGE else SMALL_CELL_PX
    angle = 0 if max(map(len, names)) * LETTER_PX < size else -90
    axis: dict[str, Any] = {"domain": False, "ticks": False, "labelLimit": 110}
    base = alt.Chart().encode(
        x=alt.X("called:N", sort=names, axis=alt.Axis(title="predicted", labelAngle=angle, **axis)),
        y=alt.Y("true:N", sort=names, axis=alt.Axis(title="true class", **axis)),
    )
    cell = base.mark_rect(stroke=charts.INK, strokeOpacity=0.3).encode(
        color=alt.Color("share:Q", scale=alt.Scale(domain=[0, 1], range=["#3f83c400", "#2b6299"]), legend=None)
    )
    text = base.mark_text(fontSize=12 if size == CELL_PX else 10).encode(
        text="text:N", color=alt.Color("ink:N", scale=None)
    )
    matrix = alt.layer(cell, text, data=charts.data(rows)).resolve_scale(color="independent")
    matrix = matrix.properties(width=size * len(names), height=size * len(names))
    drawn, narrow = _facets(matrix, titles, size * len(names))
    return charts.picture(
        name,
        drawn,
        "Confusion matrices on the test split: rows are the true classes, columns the predicted ones "
        "(exact counts; the first seed).",
        f"Confusion matrices: {'; '.join(said)}.",
        narrow=narrow,
    )


def weights(groups: Sequence[Group], name: str) -> Picture | None:
    """Histograms of the weights of deployed files (first seed), on one scale; None where none were recorded."""
    found = [(group.label, each) for group in groups if (each := group.first.histogram) is not None]
    if not found:
        return None
    rows: list[dict[str, Any]] = []
    said, titles = [], []
    for label, histogram in found:
        width = (histogram.high - histogram.low) / len(histogram.counts)
        total = sum(histogram.counts) + histogram.outside + histogram.zeros
        zeros = f"{units.percent(histogram.zeros / total)} exactly zero"
        title = f"{_in_lines(label)}|{zeros}|≤ {histogram.levels:,} values per channel"
        titles.append(title)
        shares = [count / total for count in (*histogram.counts, histogram.counts[-1])]  # a step ends where it began
        rows += [
            {"variant": title, "weight": histogram.low + at * width, "share": share} for at, share in enumerate(shares)
        ]
        said.append(f"{label}: {zeros}, at most {histogram.levels:,} different values within one channel")
    axis = alt.Axis(title="share (root scale)", format="~%", values=[0, 0.01, 0.05, 0.1, 0.2, 0.4])
    chart = (
        alt.Chart(charts.data(rows))
        .mark_area(color=charts.COLOURS[0], interpolate="step-after")
        .encode(
            x=alt.X("weight:Q", axis=alt.Axis(tickCount=3, grid=False), scale=alt.Scale(nice=False)),
            y=alt.Y("share:Q", axis=axis, scale=alt.Scale(type="sqrt"), stack=False),
        )
        .properties(width=HISTOGRAM_PX, height=90)
    )
    drawn, narrow = _facets(chart, titles, HISTOGRAM_PX)
    return charts.picture(
        name,
        drawn,
        "Weights of all convolutions and linear layers of the deployed files, with BatchNorm folded into them where "
        "there is any, int8 dequantized (first seed). Weights that are exactly zero are counted above each "
        "histogram, not drawn; the outermost 3% or so are left out. Values per channel: how many different ones "
        "it holds; int8 allows 256, and 255 where its codes are from -127 to 127 (pt2e). All counts are exact.",
        f"Histograms of the weights. {'; '.join(said)}.",
        narrow=narrow,
    )


def layer_errors(results: Results, groups: Sequence[Group], name: str) -> list[Picture]:
    """For each int8 variant (first seed) what rounding does to each layer alone, in the order of the network."""
    labels = {(group.name, group.engine, group.first.seed): group.label for group in groups}
    found: dict[str, list[LayerError]] = {}
    for each in results.layer_errors:
        if label := labels.get((each.variant, each.engine, each.seed)):
            found.setdefault(label, []).append(each)
    return [
        _layer_errors(label, rows, f"{name}-layers-{at}") for at, (label, rows) in enumerate(found.items(), start=1)
    ]


def _layer_errors(label: str, errors: Sequence[LayerError], name: str) -> Picture:
    rows = [
        {"layer": each.layer, "decibels": decibels(each.error), "kind": "float" if each.floating else "int8"}
        for each in errors
    ]
    kinds = list(dict.fromkeys(str(row["kind"]) for row in rows))
    order = [each.layer for each in errors]
    base = alt.Chart(charts.data(rows)).encode(
        y=alt.Y("layer:N", sort=order, axis=alt.Axis(title=None, labelLimit=260, labelFontSize=10)),
        x=alt.X("decibels:Q", axis=alt.Axis(title="signal to quantization noise (dB)"), scale=alt.Scale(zero=False)),
        color=charts.colour("kind", kinds, hide=len(kinds) == 1),
    )
    worst = max(errors, key=lambda each: each.error)
    return charts.picture(
        name,
        alt.layer(base.mark_point(filled=True, size=45, opacity=1)).properties(
            width=charts.WIDTH_PX, height=alt.Step(13)
        ),
        f"What rounding to int8 does to each layer of {label} when it alone is rounded, from the input down to the "
        "output (exact, for the first calibration pictures, 16 at most): the power of the layer's answer over that of "
        "its error. 20 dB: the error has a hundredth of the power, a tenth of the size; the further left, the greater "
        "the damage.",
        f"Signal to quantization noise of {len(rows)} layers; the worst is {worst.layer} with "
        f"{decibels(worst.error):.1f} dB.",
    )


def decibels(error: float) -> float:
    """A share of noise power as signal to noise.

    >>> decibels(0.01)
    20.0
    """
    return round(-10 * math.log10(max(error, 1e-12)), 2)


def _facets(cell: alt.Chart | alt.LayerChart, titles: Sequence[str], cell_px: int) -> list[charts.Chart]:
    """The chart once for each title (the field ``variant``), as many beside each other as a page has room for; and the
    same for a phone. Each has its own axis below it, for the last row may be a short one."""
    lines = [line for title in titles for line in title.split("|")]
    beside_px = max(cell_px, max(map(len, lines)) * LETTER_PX) + GAP_PX
    header = alt.Header(
        title=None, labelFontSize=12, labelLimit=280, labelColor=charts.INK, labelAnchor="start",
        labelExpr="split(datum.label, '|')",
    )  # fmt: skip
    facet = alt.Facet("variant:N", sort=list(titles), header=header)
    columns = [max(1, min(len(titles), (room - AXIS_PX) // beside_px)) for room in (WIDE_PX, NARROW_PX)]
    spacing = {"row": 10, "column": GAP_PX}
    return [cell.facet(facet, columns=each, spacing=spacing).resolve_axis(x="independent") for each in columns]


def _in_lines(label: str) -> str:
    """A name in lines that are not much wider than a small chart, with ``|`` between them.

    >>> _in_lines("CNNPrunedGO-structured-static-int8 (pt2e)")
    'CNNPrunedGO-|structured-static-|int8 (pt2e)'
    """
    lines = [""]
    for part in re.findall(r"[^- ]*(?:[- ]|$)", label):
        if lines[-1] and len(lines[-1] + part.rstrip()) > MOST_LETTERS:
            lines.append("")
        lines[-1] += part
    return "|".join(line.strip() for line in lines)
