"""Readme.txt of a made-up run: commands, files, numbers and graphs."""

from pathlib import Path

from fabricated import results
from petiole.records import Failure
from petiole.report.html import write_report
from petiole.report.readme import WIDTH, write_readme


def test_it_says_how_to_get_everything_again(tmp_path: Path) -> None:
    write_report(tmp_path, results())
    (tmp_path / "latency").mkdir()
    path = write_readme(tmp_path, results())
    assert path == tmp_path / "Readme.txt"
    text = path.read_text(encoding="utf-8")
    for part in (
        "Team: Ada, Bo",
        "petiole lab --out runs/madeup",
        "petiole report .",
        "--stages and one or more of scratch,transfer.",
        "made-up photos (real): 200 for training, 100 for testing",
        "madeupnet, weights: made-up weights",
        "CNNOptimized-qat-int8 (pt2e): 96.0% (90.2-98.4%), 2.0 kB, artifacts/CNNOptimized-qat-int8/",
        "LeNet-dynamic-int8 (eager): 98.9% (",
        "charts/c3-3-curve.svg",
        "variants[].versus_parent",
    ):
        assert part in text
    assert max(len(line) for line in text.splitlines()) <= WIDTH


def test_it_lists_only_files_that_are_there(tmp_path: Path) -> None:
    write_report(tmp_path, results())
    text = write_readme(tmp_path, results()).read_text(encoding="utf-8")
    assert "report.html - " in text
    assert "latency/ - " not in text
    for line in text.splitlines():
        if line.startswith("  charts/"):
            assert (tmp_path / line.split()[0]).is_file()
            assert "(from " in line, "it says what the graph is drawn from"


def test_banner_and_failures_come_first(tmp_path: Path) -> None:
    run = results(photos_synthetic=True, failures=[Failure(variant="pruning", why="nothing was pruned", seed=1)])
    text = write_readme(tmp_path, run).read_text(encoding="utf-8")
    assert text.index("!!! SYNTHETIC PHOTOS") < text.index("How to run it again")
    assert text.index("pruning (seed 1): nothing was pruned") < text.index("How to run it again")


def test_a_long_command_is_never_broken_inside_a_word(tmp_path: Path) -> None:
    command = f"petiole lab --data {'/a-long-folder' * 12}"
    text = write_readme(tmp_path, results(run_command=command)).read_text(encoding="utf-8")
    assert "/a-long-folder" * 12 in text
