"""Readme.txt of a made-up run: commands, files, numbers and graphs."""

import re
from pathlib import Path

from fabricated import latency, results, variant
from petiole.record import Record
from petiole.records import Failure, Results, Run, Variant
from petiole.report.html import write_report
from petiole.report.keys import NUMBERS
from petiole.report.readme import WIDTH, write_readme, write_search_readme
from petiole.search_records import SearchResults


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
        "--stages and one or more of scratch,transfer, and another --out:",
        "made-up photos (real): 200 for training, 100 for testing",
        "madeupnet, weights: made-up weights",
        "CNNOptimized-qat-int8 (pt2e): 96.0% (90.2-98.4%), 2.0 kB, artifacts/CNNOptimized-qat-int8/",
        "LeNet-dynamic-int8 (eager): 98.9% (",
        "charts/c3-3-curve.svg",
        "variants[].versus_parent",
        "variants[].profile, profile_ms, profile_p25_ms, profile_p75_ms and profile_calls (from the run)",
        "variants[].sparse_bytes and dense_bytes (from artifacts/)",
        "run.stages (from the run)",
        "run.machine (from the run)",
    ):
        assert part in " ".join(text.split())
    assert max(len(line) for line in text.splitlines()) <= WIDTH


def test_it_lists_only_files_that_are_there(tmp_path: Path) -> None:
    write_report(tmp_path, results())
    text = write_readme(tmp_path, results()).read_text(encoding="utf-8")
    assert "report.html - " in text
    assert "latency/ - " not in text
    assert "thumbnails/" not in text
    assert "charts/ - its graphs" in text
    for line in text.splitlines():
        if line.startswith("  charts/") and ".svg" in line:
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


def test_the_keys_that_it_names_are_keys_of_the_records() -> None:
    record: dict[str, type[Record]] = {"variants[].": Variant, "run.": Run, "": Results}
    for _, keys, _ in NUMBERS:
        first, *others = re.split(", | and ", keys)
        top = next(each for each in record if first.startswith(each))
        for key in (first.removeprefix(top), *others):
            assert key in record[top].model_fields


def test_every_key_of_a_variant_and_of_the_records_is_named() -> None:
    """But for those that name a network, and the version of the format."""
    named = " ".join(keys for _, keys, _ in NUMBERS)
    own = {
        "name",
        "engine",
        "seed",
        "key",
        "dataset",
        "parent",
        "baseline",
        "how",
        "artifact",
        "predictions",
        "backbone",
    }
    own |= {"weights", "predictions_sha256"}
    for key in set(Variant.model_fields) - own:
        assert key in named, key
    for key in set(Results.model_fields) - {"schema_version", "variants", "run"}:
        assert key in named, key


def test_the_readme_of_a_search_says_what_its_graphs_are_drawn_from(tmp_path: Path) -> None:
    run = results([variant("reference", 96, latency=[latency(2.0)])], run_profile="compress")
    search = SearchResults(**{**dict(run), "objective": "latency", "reference": "reference"})
    (tmp_path / "charts").mkdir()
    for cost in ("time", "size"):
        (tmp_path / "charts" / f"candidates-{cost}.svg").write_text("<svg/>", encoding="utf-8")
    write_search_readme(tmp_path, search)
    text = " ".join((tmp_path / "Readme.txt").read_text(encoding="utf-8").split())
    of = "accuracy of the candidates on held-out photos against"
    assert f"charts/candidates-time.svg - {of} time (from candidates)" in text
    assert f"charts/candidates-size.svg - {of} file size (from candidates)" in text
    assert "charts/ - its graphs" in text
    assert "thumbnails/" not in text
    assert "run.machine" in text
    (tmp_path / "thumbnails").mkdir()
    write_search_readme(tmp_path, search)
    assert "thumbnails/ - its photos" in (tmp_path / "Readme.txt").read_text(encoding="utf-8")
