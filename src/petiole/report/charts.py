"""The charts of the report: drawn by Altair, turned into SVG without a browser and without a network.

Ink is ``currentColor``, so that a page's own text colour is used; series have mid-tone colours that are told
apart on white and on black, by people who are colour-blind too.
"""

import html
import re
from collections.abc import Sequence
from functools import partial
from typing import Any

import altair as alt
from altair.utils import schemapi

from petiole import units
from petiole.evidence import Group
from petiole.records import Train
from petiole.report.blocks import Picture
from petiole.report.drawing import draw
from petiole.report.timings import RUNTIMES
from petiole.units import listed

schemapi.disable_debug_mode()  # validates each part as it is made, which takes as long as drawing; tests enable it

Chart = alt.LayerChart | alt.FacetChart

INK = "#77787a"
"""Stands for the ink while a chart is drawn (Vega-Lite knows no ``currentColor``), and is it in files."""

PAPER = "#fefdfc"
"""Stands for the page's paper likewise; files of their own have none."""
PAPER_OF_PAGE = "var(--paper, none)"

COLOURS = ["#3f83c4", "#d2691e", "#2f9e77", "#b565b0", "#a8862a", "#c2526a", "#5f8f2f", "#7d78c9"]
DASHES = [[1, 0], [6, 3], [2, 2], [9, 3, 2, 3], [12, 4], [2, 5], [6, 2, 2, 2, 2, 2], [14, 3, 5, 3]]
"""As many patterns as there are colours."""
WIDTH_PX = 420
ROOM = 1.13
"""Charts are laid out with letters as much larger than they are shown: a reader's font may be wider than the one that
text is measured by (DejaVu Sans is, by that)."""
FINE_FROM = 0.95
"""Where all accuracies are above it, ticks need a tenth of a per cent."""


def accuracy(groups: Sequence[Group], name: str) -> Picture:
    """A dot for each variant with its 95% interval."""
    rows = [
        {"variant": each.label, "value": each.accuracy, "low": each.interval[0], "high": each.interval[1]}
        for each in groups
    ]
    base = alt.Chart(data(rows))
    y = names([each.label for each in groups])
    x_axis = axis("accuracy on the test split (%)")
    low = min(each.interval[0] for each in groups)
    if low > FINE_FROM:
        x_axis = alt.Axis(title="accuracy on the test split (%)", format=".1%", tickCount=6)
    scale = alt.Scale(zero=False, domainMin=max(0.0, low - 0.02), domainMax=1.0)
    rule = base.mark_rule(strokeWidth=2, color=COLOURS[0]).encode(
        x=alt.X("low:Q", axis=x_axis, scale=scale), x2="high:Q", y=y
    )
    dot = base.mark_point(filled=True, size=70, opacity=1, color=COLOURS[0]).encode(
        x=alt.X("value:Q", axis=x_axis, scale=scale), y=y
    )
    said = [f"{each.label} {units.percent(each.accuracy, each.digits)}" for each in groups]
    return picture(
        name,
        (rule + dot).properties(width=WIDTH_PX, height=alt.Step(24)),
        "Accuracy on the test split; the line is the 95% interval.",
        f"Accuracy of each variant: {'; '.join(said)}.",
    )


MOST_TICKS = 10


def training(groups: Sequence[Group], name: str) -> Picture | None:
    """Training loss of each epoch (first seed), a larger dot where it had converged. None without history."""
    trained = [(group.label, group.first.train) for group in groups if group.first.train and group.first.train.history]
    rows = [
        {
            "network": label,
            "epoch": epoch.epoch,
            "loss": epoch.loss,
            "converged": train is not None and train.has_converged and epoch.epoch == train.converged_epoch,
        }
        for label, train in trained
        for epoch in (train.history if train else [])
    ]
    if not rows:
        return None
    last = max(int(str(row["epoch"])) for row in rows)
    networks = [label for label, _ in trained]
    ticks: dict[str, Any] = {"values": list(range(1, last + 1))} if last <= MOST_TICKS else {"tickCount": MOST_TICKS}
    base = alt.Chart(data(rows)).encode(
        x=alt.X(
            "epoch:Q",
            axis=alt.Axis(title="epoch", tickMinStep=1, format="d", **ticks),
            scale=alt.Scale(domain=[1, max(2, last)], nice=False),
        ),
        y=alt.Y("loss:Q", axis=alt.Axis(title="mean training loss (nats)")),
        color=colour("network", networks, shown=lines()),
        strokeDash=alt.StrokeDash("network:N", scale=dashes(networks), legend=lines()),
    )
    line = base.mark_line(strokeWidth=2)
    dot = base.mark_point(filled=True, size=110, opacity=1).transform_filter("datum.converged")
    said = [f"{label} {_course(train)}" for label, train in trained if train]
    return picture(
        name,
        (line + dot).properties(width=WIDTH_PX, height=220),
        "Training loss after each epoch (first seed), of the weights as they were trained: exact figures of one "
        "training, which another seed would change. The large dot is the epoch "
        "at which it had converged; without one it had not, within its epochs. Losses of different recipes cannot be "
        "compared: label smoothing keeps them from zero, and a network with a teacher is scored against the "
        "teacher's answers.",
        f"Training loss: {'; '.join(said)}.",
    )


def _course(train: Train) -> str:
    """How the training loss went, in words."""
    first, last = train.history[0].loss, train.history[-1].loss
    if len(train.history) == 1:
        return f"{last:.3g} in its only epoch"
    not_yet = "not converged" if train.has_fallen else "the loss did not fall"
    converged = f"converged at epoch {train.converged_epoch}" if train.has_converged else not_yet
    return f"from {first:.3g} to {last:.3g} in {units.counted(train.epochs, 'epoch')}, {converged}"


def sizes(groups: Sequence[Group], name: str) -> Picture:
    """Bars of what each variant takes on disk: the deployed file, and the sparse file where there is one."""
    rows = []
    for group in groups:
        rows.append({"variant": group.label, "file": "deployed file", "bytes": group.file_bytes})
        sparse = group.mean(row.sparse_bytes for row in group.rows)
        if sparse is not None:
            rows.append({"variant": group.label, "file": "nonzeros and bitmask", "bytes": sparse})
    for row in rows:
        row["text"] = units.bytes(float(str(row["bytes"])))
    kinds = list(dict.fromkeys(str(row["file"]) for row in rows))
    chart = _bars(
        rows,
        [each.label for each in groups],
        "bytes",
        "size on disk (bytes, decimal prefixes)",
        "file",
        kinds,
    )
    said = [f"{row['variant']} {row['file']} {row['text']}" for row in rows]
    return picture(name, chart, "Size on disk (exact).", f"Sizes: {'; '.join(said)}.")


def latency(groups: Sequence[Group], name: str) -> Picture | None:
    """Median time of one call on each runtime, and the line from p25 to p75. None if nothing was timed."""
    rows = [
        {
            "variant": group.label,
            "runtime": RUNTIMES.get(time.runtime, time.runtime),
            "ms": time.p50_ms,
            "low": time.p25_ms or time.p50_ms,
            "high": time.p75_ms or time.p50_ms,
            "text": units.ms(time.p50_ms),
        }
        for group in groups
        for time in group.timings
        if time.batch == 1
    ]
    if not rows:
        return None
    runtimes = list(dict.fromkeys(str(row["runtime"]) for row in rows))
    labels = [each.label for each in groups if any(row["variant"] == each.label for row in rows)]
    chart = _bars(rows, labels, "ms", "time of one call at batch 1, median (ms)", "runtime", runtimes, spread=True)
    said = [f"{row['variant']} on {row['runtime']} {row['text']}" for row in rows]
    caption = (
        f"Time of one call at batch 1 on {listed(runtimes)}: median, the thin line runs from the 25th to the 75th "
        "percentile."
    )
    return picture(name, chart, caption, f"Times: {'; '.join(said)}.")


def _bars(rows: list[dict[str, Any]], labels: list[str], value: str, title: str, kind: str, kinds: list[str], *,
          spread: bool = False) -> Chart:  # fmt: skip
    """Horizontal bars, one for each variant and kind, with the value written beside each."""
    top = max(float(row.get("high", row[value])) for row in rows) or 1.0
    x_axis = bytes_axis(title) if value == "bytes" else alt.Axis(title=title, format="~g")
    scale = alt.Scale(domain=[0, top * 1.18])
    base = alt.Chart(data(rows)).encode(y=names(labels), yOffset=alt.YOffset("kind:N", sort=kinds))
    base = base.transform_calculate(kind=f"datum.{kind}")
    bar = base.mark_bar().encode(
        x=alt.X(f"{value}:Q", axis=x_axis, scale=scale), color=colour(kind, kinds, hide=len(kinds) == 1)
    )
    at = "high" if spread else value
    text = base.mark_text(align="left", dx=4, color=INK, fontSize=11).encode(
        x=alt.X(f"{at}:Q", axis=x_axis, scale=scale), text="text:N"
    )
    layers = [bar, text]
    if spread:
        layers.append(
            base.mark_rule(strokeWidth=2, color=INK).encode(x=alt.X("low:Q", axis=x_axis, scale=scale), x2="high:Q")
        )
    return alt.layer(*layers).properties(width=WIDTH_PX, height=alt.Step(17))


# Parts that other files of charts are made of as well.


def data(rows: Sequence[dict[str, Any]]) -> alt.InlineData:
    return alt.InlineData(values=list(rows))


def axis(title: str) -> alt.Axis:
    return alt.Axis(title=title, format=".0%", tickCount=6)


def bytes_axis(title: str, **options: Any) -> alt.Axis:
    """Sizes as tables write them: kB, MB."""
    text = "datum.value ? replace(replace(format(datum.value, '.3~s'), 'k', ' k'), 'M', ' M') + 'B' : '0'"
    return alt.Axis(title=title, labelExpr=text, **options)


def names(labels: Sequence[str]) -> alt.Y:
    return alt.Y("variant:N", sort=list(labels), axis=alt.Axis(title=None, labelLimit=260, domain=False, ticks=False))


def colour(field: str, names: Sequence[str], *, hide: bool = False, shown: alt.Legend | None = None) -> alt.Color:
    palette = [COLOURS[at % len(COLOURS)] for at in range(len(names))]
    scale = alt.Scale(domain=list(names), range=palette)
    return alt.Color(f"{field}:N", scale=scale, legend=None if hide else shown or legend())


def dashes(names: Sequence[str]) -> alt.Scale:
    return alt.Scale(domain=list(names), range=[DASHES[at % len(DASHES)] for at in range(len(names))])


def lines() -> alt.Legend:
    """As long as it takes to tell dashes apart."""
    return alt.Legend(
        title=None, orient="top", labelLimit=260, columns=2, symbolType="stroke", symbolSize=500, symbolStrokeWidth=2
    )


def legend() -> alt.Legend:
    return alt.Legend(title=None, orient="top", labelLimit=260, columns=3)


def picture(name: str, chart: Chart, caption: str, alt_text: str, *, narrow: Chart | None = None) -> Picture:
    """The chart, which is drawn while the next ones are thought out; ``narrow`` takes its place on a phone."""
    drawing, *rest = (
        draw(_specification(each), partial(_finished, f"{name}{ending}", alt_text))
        for ending, each in (("", chart), ("-narrow", narrow))
        if each is not None
    )
    return Picture(
        name=name, drawing=drawing, caption=caption, alt=alt_text, narrow_drawing=rest[0] if rest else None
    )  # fmt: skip


def _printable(spec: Any) -> Any:
    """The same chart with names that XML can hold, others end the process within the drawing library; with ``ROOM``."""
    if isinstance(spec, str):
        return units.one_line(spec)
    if isinstance(spec, dict):
        return {
            _printable(key): value * ROOM if key.endswith(("FontSize", "fontSize", "Limit")) else _printable(value)
            for key, value in spec.items()
        }
    return [_printable(each) for each in spec] if isinstance(spec, list) else spec


def _specification(chart: Chart) -> Any:
    chart = chart.configure(
        aria=False,  # the picture is told as a whole
        background="transparent",
        padding={"left": 5, "right": 18, "top": 5, "bottom": 5},  # half of a label beneath the last tick
        font="sans-serif",
        view=alt.ViewConfig(stroke=None),
        axis=alt.AxisConfig(
            labelColor=INK, titleColor=INK, domainColor=INK, tickColor=INK, gridColor=INK, gridOpacity=0.22,
            labelFontSize=12, titleFontSize=12, titleFontWeight="normal", labelFlush=False,
        ),
        legend=alt.LegendConfig(labelColor=INK, titleColor=INK, labelFontSize=12, symbolOpacity=1),
    )  # fmt: skip
    return _printable(chart.to_dict(validate=False))  # validation, by the schema, takes as long as drawing


def _finished(name: str, alt_text: str, svg: str) -> str:
    """As a page takes it up."""
    svg = re.sub(r'(id="|url\(#)(\w+)', rf"\g<1>{name}-\g<2>", svg)  # ids stay apart when pages hold many
    svg = re.sub(r'(?<=font-size=")[\d.]+', lambda size: f"{float(size[0]) / ROOM:g}", svg)
    svg = svg.replace(f'"{INK}"', '"currentColor"').replace(f'"{PAPER}"', f'"{PAPER_OF_PAGE}"')
    width = re.search(r'<svg[^>]*? width="([\d.]+)"', svg)
    style = f'style="max-width:{float(width[1]):.0f}px" ' if width else ""  # small charts are not blown up
    return svg.replace("<svg ", f'<svg role="img" aria-label="{html.escape(units.one_line(alt_text))}" {style}', 1)


def as_file(picture: Picture) -> str:
    """The SVG as a file of its own: with an ink that is read on white and on black."""
    return picture.svg.replace('style="', f'style="color:{INK};', 1).replace(PAPER_OF_PAGE, "none")
