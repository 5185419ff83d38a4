"""Reports of records that are odd and yet possible: many pictures, many classes, names no drawing can hold."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from fabricated import accuracy, latency, replaced, results, variant, variants, versus
from petiole.errors import UserError
from petiole.evidence import Group, groups
from petiole.paired import paired
from petiole.report import charts, overview, summary
from petiole.report.headline import headline, told
from petiole.report.html import write_report

CONTROL = "an\x1bts\x00\ufffe"


def test_a_class_whose_name_no_drawing_can_hold_is_written_out(tmp_path: Path) -> None:
    """The drawing library would end the process; the page shows the characters as escapes."""
    odd = accuracy(96, 100).model_copy(
        update={"by_class": {CONTROL: 1.0, "bees": 0.9}, "confusion": [[50, 0], [4, 46]]}
    )
    path = write_report(tmp_path, results(replaced("CNNOptimized", accuracy=odd)))
    assert r"an\x1bts\x00\ufffe" in path.read_text(encoding="utf-8")
    for file in (tmp_path / "charts").glob("*.svg"):
        ElementTree.parse(file)


@pytest.mark.parametrize(
    ("corrects", "total", "most"),
    [((40, 55, 70), 100, 14), ((800, 1100, 1400), 2000, 14), ((1860, 1900, 1920), 2000, 14), ((115, 119), 153, 14)],
)
def test_axes_have_some_ticks_and_not_hundreds(corrects: tuple[int, ...], total: int, most: int) -> None:
    rows = [
        variant(f"net{at}", 1, accuracy=accuracy(correct, total), latency=[latency(2.0 + at)])
        for at, correct in enumerate(corrects)
    ]
    time, _ = overview.overview(groups(rows), "overview")
    assert 3 <= time.svg.count("%</text>") <= most


def test_a_slow_machine_counts_ms_and_not_bytes() -> None:
    rows = [variant(f"net{at}", 90 + at, latency=[latency(1500.0 + 100 * at)]) for at in range(2)]
    time, size = overview.overview(groups(rows), "overview")
    assert "kB</text>" not in time.svg
    assert "kB</text>" in size.svg


def test_times_without_a_spread_are_not_judged() -> None:
    rows = [
        variant("CNNOptimized", 96, latency=[latency(100.0, half_ms=0)]),
        variant("CNNOptimized-static-int8", 95, parent="CNNOptimized", engine="pt2e", versus_parent=versus(2, 1),
                latency=[latency(2.0, half_ms=0)]),
        variant("CNNOptimized-qat-int8", 99, parent="CNNOptimized", engine="pt2e", versus_parent=versus(0, 3),
                latency=[latency(9.0, half_ms=0)]),
    ]  # fmt: skip
    (int8,) = headline(results(rows))
    assert int8.startswith("Quantization: CNNOptimized-static-int8 (pt2e) takes 2.00 ms")
    assert "as against 100 ms for CNNOptimized there. Its" in int8
    assert not any("not measurably slower" in each for each in summary.findings(results(rows)))


def test_a_test_that_shows_a_difference_is_not_said_to_show_none() -> None:
    """Gains of 0, 0 and 0 against losses of 30, 2 and 1: 11 lost on average tell two networks apart, and the seeds
    disagree too much for their t interval."""
    rows = [variant("net", 70, seed=seed, parent="whole", versus_parent=versus(lost, 0))
            for seed, lost in enumerate((30, 2, 1))]  # fmt: skip
    group = Group(name="net", engine="torch", rows=tuple(rows))
    assert group.flips is not None
    said = told(group, group.flips)
    assert "exact test p < 0.001: a difference; the interval over the seeds shows none)" in said


def test_p_of_several_seeds_is_never_smaller_than_that_of_whole_pictures() -> None:
    """22 lost over 4 seeds are 5.5 on average: the test is of 5, 2 / 2^5."""
    assert paired("whole", [(5, 0), (5, 0), (6, 0), (6, 0)], 100).p == pytest.approx(2 / 2**5)


def test_many_classes_are_counted_and_not_listed() -> None:
    run = results(photos_classes=[f"class{at}" for at in range(1000)])
    line = dict(summary.facts(run))["Photos"]
    assert "class11 and 988 more" in line
    assert len(line) < 400


def test_large_sets_have_two_digits_in_alternative_texts_too() -> None:
    digits = [group for group in groups(variants()) if group.first.dataset == "digits"]
    many = [variant("LeNet", 1, accuracy=accuracy(9_989, 10_000), dataset="digits")]
    assert "99.89%" in charts.accuracy(groups(many), "digits").alt
    assert "%" in charts.accuracy(digits, "digits").alt


def test_charts_that_lead_out_of_the_run_are_not_written(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "run" / "charts").symlink_to(tmp_path / "outside", target_is_directory=True)
    with pytest.raises(UserError, match="charts is a link"):
        write_report(tmp_path / "run", results())
    assert list((tmp_path / "outside").iterdir()) == []
