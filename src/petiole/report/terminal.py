"""The end of a run on the terminal: banners, failures, all variants, and where the report lies."""

from pathlib import Path

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from petiole import units
from petiole.evidence import Group, groups
from petiole.records import Results
from petiole.report import summary, tables


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
            tables.versus_parent(group),
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
        f"{tables.RUNTIMES.get(time.runtime, time.runtime)} {units.ms(time.p50_ms)}"
        for time in group.timings
        if time.batch == 1
    ]
    return "\n".join(times) or tables.NONE


def _caption(every: list[Group]) -> str:
    return f"Accuracy: {tables.how_intervals_are_made(every)}. p: exact McNemar test against the parent."
