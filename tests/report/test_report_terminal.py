"""The summary on the terminal of a made-up run."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fabricated import results, variant, variants
from petiole.records import Failure
from petiole.report.terminal import print_summary


def printed(width: int = 140, **changes: Any) -> str:
    stream = io.StringIO()
    print_summary(results(**changes), Path("runs/madeup"), Console(file=stream, width=width, no_color=True))
    return stream.getvalue()


def line_of(text: str, name: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"│ {name} "))
    return [cell.strip() for cell in line.strip("│").split("│")]


def test_all_variants_and_where_the_report_lies() -> None:
    text = printed()
    assert line_of(text, "CNNPrunedF") == [
        "CNNPrunedF", "60.0% (50.2-69.1%)", "36 / 0, p < 0.001", "8.0 kB", "OpenVINO 10.0 ms",
    ]  # fmt: skip
    for row in variants():
        assert f"│ {row.name} " in text
    assert text.splitlines()[-1] == f"Report: {Path('runs/madeup') / 'report.html'}"
    assert "SYNTHETIC" not in text
    assert "failed" not in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"photos_synthetic": True}, "SYNTHETIC PHOTOS"), ({"run_weights": "random"}, "RANDOM WEIGHTS")],
)
def test_the_banner_comes_first(changes: dict[str, Any], words: str) -> None:
    text = printed(**changes)
    assert text.index(words) < text.index("CNNScratch")


def test_failures_are_shown() -> None:
    assert "pruning (seed 2) failed: nothing was pruned" in printed(
        failures=[Failure(variant="pruning", why="nothing was pruned", seed=2)]
    )


def test_text_is_never_read_as_markup() -> None:
    name = "[red]odd[/red]"
    text = printed(variants=[variant(name, 50)], failures=[Failure(variant="x", why="[/bold]")])
    assert f"│ {name} " in text
    assert "x failed: [/bold]" in text


def test_a_run_without_variants_says_so() -> None:
    assert "No variant was made." in printed(variants=[])


def test_a_narrow_terminal_loses_no_name() -> None:
    text = printed(width=80, variants=[variant("CNNOptimized-static-int8", 50)])
    assert "".join(line.split("│")[1].strip() for line in text.splitlines() if line.startswith("│")).startswith(
        "CNNOptimized-static-int8"
    )
