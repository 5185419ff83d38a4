"""Exact counts are shown shortened, sorted by all of their digits, and a restless machine is told on the first page."""

import re
from pathlib import Path

from test_report_bundle import packed, run_in

from fabricated import LSTM, latency, results, variant, versus
from petiole.report.html import write_report
from petiole.report.timings import restless


def test_files_of_about_the_same_size_are_sorted_by_their_bytes(tmp_path: Path) -> None:
    near = [variant("A", 90, file_bytes=1_320_477, parameters=3_367_196), variant("B", 91, file_bytes=1_319_938)]
    write_report(tmp_path, results(near))
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    for size in ("1319938", "1320477"):
        digits = f"{int(size):,}"
        assert re.search(rf'data-sort="{size}" title="{digits}"><a [^>]*><span>1\.3.MB</span></a>', html), size
    assert 'data-sort="3367196" title="3,367,196">' in html


def test_the_calls_of_the_lstm_are_led_to_and_packed(tmp_path: Path) -> None:
    run = run_in(tmp_path)
    (run / "latency").mkdir(exist_ok=True)
    (run / "latency" / "lstm.json").write_text("{}", encoding="utf-8")
    timed = results([variant("CNNScratch", 70)], demos={"lstm": {**LSTM, "raw_file": "latency/lstm.json"}})
    write_report(run, timed)
    assert "](<latency/lstm.json>)" in (run / "report.md").read_text(encoding="utf-8")
    assert packed(run, of=timed)["latency/lstm.json"] == "{}"


def test_a_restless_machine_is_told_where_more_than_a_quarter_of_the_timings_spread() -> None:
    """Of 10 ms, 0.69 to both sides are 1.148 times from quartile to quartile, 0.71 are 1.153 times."""
    calm, wide = (variant("A", 90, latency=[latency(10.0, half_ms=half)]) for half in (0.69, 0.71))
    assert restless([calm, calm, calm, wide]) == restless([]) == ""
    assert "in 2 of 5 timings the 75th percentile is more than 1.15 times the 25th" in restless([calm] * 3 + [wide] * 2)


def test_what_was_pruned_stands_beside_networks_of_several_steps(tmp_path: Path) -> None:
    """5 lost and none gained of 100 photos: McNemar's exact p is 2 / 2**5."""
    rows = [
        variant("CNNOptimized", 95),
        variant("CNNPrunedGO", 90, baseline="CNNOptimized", versus_baseline=versus(5, 0), file_bytes=900),
    ]
    write_report(tmp_path, results(rows))
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if "5 / 0, p = 0.063" in line)
    assert "| CNNOptimized | -5.0 (" in row
    assert "points against CNNOptimized, p = 0.063)" in next(line for line in text.splitlines() if "Smallest" in line)
