"""The report of a search, from records that are made up."""

import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fabricated import accuracy, latency, results, variant, versus
from parsed import Page
from petiole import api
from petiole.records import to_json
from petiole.report.blocks import Text
from petiole.report.compress import findings, page, verdict
from petiole.report.compress_terminal import print_search
from petiole.report.html import write_search_report
from petiole.report.readme import write_search_readme
from petiole.search_records import Candidate, Finalist, Limit, SearchResults, Tried

REFERENCE, SMALL = "net-224px-float", "net-160px-macs50-static"


def candidate(name: str, correct: int, ms: float, *, retrained: bool = False) -> Candidate:
    return Candidate(
        name=name, recipe={"quantization": "static"}, retrained=retrained, accuracy=accuracy(correct, 50),
        versus=versus(1, 0), log_loss=0.1, p50_ms=ms, relative_time=ms / 4, reference_ms=4.0, runtime="openvino",
        file_bytes=1_500_000, macs=10_000_000, parameters=5,
    )  # fmt: skip


def finalist(**changes: Any) -> Finalist:
    return Finalist(**{
        "name": SMALL, "recipe": {}, "accuracy": accuracy(94, 100), "balanced_accuracy": 0.94,
        "versus_reference": versus(3, 1), "difference": -0.02, "ci95": (-0.07, 0.02), "latency": latency(1.25),
        "speedup": (3.2, 3.1, 3.3), "file_bytes": 1_500_000, "macs": 10_000_000, "artifact": f"artifacts/{SMALL}",
        "limits": [
            Limit(limit="--max-drop 1", found="-2.0 points", verdict="undecided", photos_needed=1227),
            Limit(limit="--max-size 2.0 MB", found="1.5 MB", verdict="kept"),
        ], **changes,
    })  # fmt: skip


def searched(chosen: Finalist | None, **changes: Any) -> SearchResults:
    lab = results([])
    run = lab.run.model_copy(update={"profile": "compress"})
    return SearchResults(**{
        "run": run, "data": lab.data, "objective": "latency", "reference": REFERENCE,
        "variants": [variant(REFERENCE, 96, latency=[latency(4.0)], file_bytes=12_000_000),
                     variant(SMALL, 94, latency=[latency(1.25)], file_bytes=1_500_000)],
        "chosen": chosen, "finalists": [chosen or finalist()],
        "candidates": [candidate("a", 49, 2.0), candidate("b", 47, 1.0), candidate("c", 46, 1.5)],
        "pareto": [candidate("a", 49, 2.0), candidate("b", 47, 1.0)],
        "tried": Tried(first_look=3, held_out=50, learned=100, given_up=[("d", "too few channels")]), **changes,
    })  # fmt: skip


def test_the_choice_is_told_with_what_the_photos_do_not_decide() -> None:
    text = " ".join(findings(searched(finalist())))
    assert f"Chosen: {SMALL}, 94.0%" in text
    assert "it loses 3 and gains 1 of 100 test photos: -2.0 (-7.0 to +2.0) points (95% interval" in text
    assert "3.20x (3.10-3.30) as fast" in text
    assert "8.0x smaller" in text
    assert "--max-drop 1 is not decided by these photos (about 1,227 test photos would decide it): -2.0 points." in text
    assert "--max-size 2.0 MB is kept: 1.5 MB." in text


def test_a_speed_up_that_may_be_none_is_none() -> None:
    assert "no measurable difference in time" in " ".join(findings(searched(finalist(speedup=(1.01, 0.98, 1.04)))))


def test_without_a_choice_the_title_says_so() -> None:
    too_large = Limit(limit="--max-size 1.0 MB", found="1.5 MB", verdict="broken", is_exact=True)
    made = page(searched(None, finalists=[finalist(limits=[too_large])]))
    assert made.title == "No network keeps the limits"
    assert "the closest ones are in the table" in made.findings[0]
    assert made.findings[1] == f"{SMALL}: --max-size 1.0 MB is broken: 1.5 MB."


def test_a_choice_that_the_test_split_objects_to_is_told_as_that() -> None:
    worse = Limit(limit="--max-drop 1", found="-9.0 points", verdict="broken")
    made = page(searched(None, finalists=[finalist(limits=[worse])]))
    assert "held-out photos put first breaks a limit on the test split" in made.findings[0]
    assert "chosen.toml" not in " ".join(block.text for block in made.chapters[-1].blocks if isinstance(block, Text))


@pytest.mark.parametrize(
    ("objective", "what"),
    [
        ("latency", "The fastest network found"),
        ("size", "The smallest network found"),
        ("macs", "The network with the fewest multiply-accumulates found"),
        ("accuracy", "The most accurate network found"),
    ],
)
def test_the_byline_says_what_was_looked_for(objective: str, what: str) -> None:
    kept = finalist(limits=[])
    assert page(searched(kept, objective=objective)).byline == f"{what} for these photos, within the limits"


def test_verdicts_in_words() -> None:
    assert verdict(Limit(limit="", found="", verdict="broken")) == "is broken"
    assert verdict(Limit(limit="", found="", verdict="undecided")) == "is not decided by these photos"


def test_the_report_is_rebuilt_from_the_records_alone(tmp_path: Path) -> None:
    made = searched(finalist())
    (tmp_path / "results.json").write_text(to_json(made), encoding="utf-8")
    before = write_search_report(tmp_path, made).read_bytes()
    for path in [*(tmp_path / "charts").iterdir(), tmp_path / "report.html"]:
        path.unlink()
    assert api.report(tmp_path).read_bytes() == before
    readme = (tmp_path / "Readme.txt").read_text(encoding="utf-8")
    for name in ("report.html", "report.md", "charts/candidates-time.svg", "charts/candidates-size.svg"):
        assert f"  {name} - " in readme, "the report is written before the Readme that lists its files"
    text = before.decode()
    assert "too few channels" in text
    assert "On the test split" in text
    assert not re.search(r"https?://(?!www\.w3\.org)", text), "it loads nothing"


def test_readme_and_terminal_name_what_was_chosen(tmp_path: Path) -> None:
    made = searched(finalist())
    readme = write_search_readme(tmp_path, made).read_text(encoding="utf-8")
    assert "petiole compress DATA --recipe chosen.toml" in readme
    console = Console(record=True, width=160)
    print_search(made, tmp_path, console)
    said = console.export_text()
    assert f"Chosen: {tmp_path / 'artifacts' / SMALL}" in said
    assert "--max-drop 1 is not decided by these photos (about 1,227 test photos would decide it)" in said


def test_every_number_leads_to_its_files_or_to_how_it_is_made_again(tmp_path: Path) -> None:
    best = candidate("a", 49, 2.0).model_copy(update={"recipe_file": "recipes/a.toml"})
    found = searched(finalist(), candidates=[best, candidate("b", 47, 1.0)], pareto=[best])
    parsed = Page(write_search_report(tmp_path, found).read_text(encoding="utf-8"))
    assert parsed.unlinked == []
    hrefs = {attributes.get("href") for tag, attributes in parsed.tags if tag == "a"}
    assert {f"#source-{SMALL}-torch", "recipes/a.toml", "#again"} <= hrefs
    ids = {f"#{attributes['id']}" for _, attributes in parsed.tags if "id" in attributes}
    assert {href for href in hrefs if href and href.startswith("#")} <= ids


def test_odd_records_are_shown_as_far_as_they_go(tmp_path: Path) -> None:
    """No spread of the times, no confusion matrix, a runtime of another version, a larger file."""
    judged = accuracy(94, 100)
    assert not judged.confusion
    rows = [
        variant(REFERENCE, 96, latency=[latency(4.0, runtime="tvm", half_ms=0)], file_bytes=750_000),
        variant(SMALL, 94, latency=[latency(1.25, half_ms=0)], accuracy=judged),
    ]  # fmt: skip
    final = finalist(latency=latency(1.25, half_ms=0))
    parsed = Page(write_search_report(tmp_path, searched(final, variants=rows)).read_text(encoding="utf-8"))
    (row,) = [row for row in parsed.rows if row[0] == SMALL and len(row) == 9]
    assert row[2:5] == ("50.0%", "-2.0 (-7.0 to +2.0)", "1.25 ms")
    assert "the reference 4.00 ms on tvm" in parsed.shown
    assert "2.0x larger" in parsed.shown


def test_what_is_judged_carries_its_uncertainty(tmp_path: Path) -> None:
    judged = accuracy(94, 100).model_copy(update={"confusion": [[44, 6], [0, 50]]})
    rows = [
        variant(REFERENCE, 96, latency=[latency(4.0)]), variant(SMALL, 94, latency=[latency(1.25)], accuracy=judged),
    ]  # fmt: skip
    parsed = Page(write_search_report(tmp_path, searched(finalist(), variants=rows)).read_text(encoding="utf-8"))
    (row,) = [row for row in parsed.rows if row[0] == SMALL and len(row) == 9]
    # Wilson: 44 of 50 gives 76.20 to 94.38%, 50 of 50 gives 92.86 to 100%; so 94 - sqrt(11.80^2 + 7.14^2) / 2 and
    # 94 + 6.38 / 2; fabricated times lie within 0.1 ms
    assert row[1:7] == (
        "94.0% (87.5-97.2%)", "94.0% (87.1-97.2%)", "-2.0 (-7.0 to +2.0)", "1.25 ms (1.15-1.35)",
        "OpenVINO", "3.20x (3.10-3.30)",
    )  # fmt: skip
