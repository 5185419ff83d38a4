"""The end of a run on the terminal: banners, failures, all variants, and where the report lies."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from petiole import units
from petiole.evidence import Group, groups
from petiole.inference_records import Benchmark, Benchmarked, Prediction
from petiole.records import Results
from petiole.report import summary, tables, timings
from petiole.report.blocks import NONE


def print_summary(results: Results, run_dir: Path, console: Console) -> None:
    """Print all variants with accuracy, paired test, file and time, and what must not be missed.

    Text of the records is never read as markup.
    """
    for banner in summary.banners(results):
        console.print(Panel(Text(banner, style="bold"), border_style="red"))
    every = groups(results.variants)
    table = Table(title="All variants", title_justify="left", caption=_caption(every), caption_justify="left")
    table.add_column("Variant", overflow="fold")
    for header in ("Accuracy (95%)", "Lost / gained", "File", "p50, batch 1"):
        table.add_column(header, justify="right")
    for group in every:
        cells = (
            group.label,
            tables.accuracy(group),
            tables.lost_and_gained(group.flips),
            units.bytes(group.file_bytes),
            _times(group),
        )
        table.add_row(*(Text(cell) for cell in cells))
    if every:
        console.print(table)
    else:
        console.print("No variant was made.")
    for name, why in summary.failures(results):
        console.print(Text.assemble((f"{name} failed: ", "bold red"), why))
    console.print(Text(f"Report: {run_dir / 'report.html'}"), soft_wrap=True)


def _times(group: Group) -> str:
    times = [
        f"{timings.RUNTIMES.get(time.runtime, time.runtime)} {units.ms(time.p50_ms)}"
        for time in group.timings
        if time.batch == 1
    ]
    return "\n".join(times) or NONE


def _caption(every: list[Group]) -> str:
    return f"Accuracy: {tables.how_intervals_are_made(every)}. p: exact McNemar test against the parent."


PREDICTIONS = f"""\
call: the network's, shared by its photos, while the next ones are decoded
{"class":<12}  {"prob.":>5}  {"call":>9}  photo"""
"""What stands above the lines of predictions, and what their time is."""


def prediction_line(row: Prediction) -> str:
    """One photo in one line: class, probability, the network's time, path; or why it could not be read.

    >>> prediction_line(Prediction(path="a.jpg", label="ants", probability=0.993, ms=1.5))
    'ants          99.3%    1.50 ms  a.jpg'
    >>> prediction_line(Prediction(path="b.jpg", why="empty file"))
    '-                               b.jpg: empty file'
    """
    if row.label is None or row.probability is None or row.ms is None:
        return units.one_line(f"{'-':<12}  {'':>5}  {'':>9}  {row.path}: {row.why}")
    return units.one_line(f"{row.label:<12}  {units.percent(row.probability):>5}  {units.ms(row.ms):>9}  {row.path}")


def print_benchmark(result: Benchmark, console: Console, aside: Console) -> None:
    """The table of ``petiole bench``, its machine above; its doubts ``aside``. A network's name and file have a line
    of their own above its runtimes, so that 80 columns break no name."""
    machine, names = result.machine, {row.artifact: row.name for row in result.rows}
    unique = len(set(names.values())) == len(names)
    header, *lines = _aligned([BENCHMARK, *(_measured(row, result.rows[0]) for row in result.rows)])
    threads = units.counted(machine.threads, "thread")
    console.print(Text(f"{machine.cpu}, {threads}, batch {result.batch}", style="italic"))
    console.print(Text(header, style="bold"), soft_wrap=True)
    above = ""
    for row, line in zip(result.rows, lines, strict=True):
        name = units.one_line(f"{row.name if unique else row.artifact} ({units.bytes(row.file_bytes)})")
        if name != above:
            console.print(Text(name), soft_wrap=True)
        console.print(Text(line), soft_wrap=True)
        above = name
    console.print(Text(_times_as_fast(result), style="dim"))
    for warning in result.warnings:
        aside.print(Text(f"warning: {warning}", style="bold"))


BENCHMARK = ("Runtime", "p50", "p90", "Images/s", "Speed")


def _measured(row: Benchmarked, reference: Benchmarked) -> tuple[str, ...]:
    return (
        timings.RUNTIMES.get(row.latency.runtime, row.latency.runtime), units.ms(row.latency.p50_ms),
        units.ms(row.latency.p90_ms), f"{row.images_per_s:,.0f}", "reference" if row is reference else _speed(row),
    )  # fmt: skip


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of cells: the first and the last column begin together, those between end together.

    >>> _aligned([("a", "b", "c"), ("long", "2.5", "x")])
    ['  a       b  c', '  long  2.5  x']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(["", first.ljust(widths[0]), *map(str.rjust, between, widths[1:-1]), last])
        for first, *between, last in rows
    ]


def _speed(row: Benchmarked) -> str:
    if row.speedup is None:
        return NONE
    if not row.speedup.is_measurable:
        return "no measurable difference"
    speedup = row.speedup
    return f"{speedup.ratio:.2f}x ({speedup.low:.2f}-{speedup.high:.2f})"


def _times_as_fast(result: Benchmark) -> str:
    return (
        f"Speed: {result.reference} is 1; ratio of medians with its 95% bootstrap interval. A difference is measurable "
        "where that leaves out 1 and the middle halves of the calls lie apart."
    )
