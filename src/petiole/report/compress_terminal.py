"""The end of a search on the terminal: finalists and limits, what was chosen, and where it lies."""

from pathlib import Path

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from petiole import units
from petiole.report import summary
from petiole.report.candidates import accuracy
from petiole.report.compress import verdict
from petiole.search_records import SearchResults


def print_search(results: SearchResults, run_dir: Path, console: Console) -> None:
    """Print what was judged on the test split, each limit with its verdict, and what was chosen."""
    for banner in summary.banners(results):
        console.print(Panel(Text(banner, style="bold"), border_style="red"))
    table = Table(title="On the test split", title_justify="left")
    table.add_column("Network", overflow="fold")
    for header in ("Accuracy (95%)", "p50, batch 1", "File", "MACs"):
        table.add_column(header, justify="right")
    for row in results.variants:
        name = f"{row.name} (reference)" if row.name == results.reference else row.name
        cells = (
            name,
            accuracy(row.accuracy),
            units.ms(row.latency[0].p50_ms),
            units.bytes(row.file_bytes),
            units.count(row.macs),
        )
        table.add_row(*(Text(cell) for cell in cells))
    console.print(table)
    for each in results.finalists:
        for limit in each.limits:
            console.print(Text(f"{each.name}: {limit.limit} {verdict(limit)}: {limit.found}"), soft_wrap=True)
    for name, why in summary.failures(results):
        console.print(Text.assemble((f"{name} failed: ", "bold red"), why))
    if results.chosen is not None:
        console.print(Text(f"Chosen: {run_dir / results.chosen.artifact}", style="bold"), soft_wrap=True)
        console.print(Text(f"Recipe: {run_dir / 'chosen.toml'}"), soft_wrap=True)
    console.print(Text(f"Report: {run_dir / 'report.html'}"), soft_wrap=True)
