"""Curves and sensitivities of pruning in the report, on made-up records."""

import re
from pathlib import Path
from typing import Any

import pytest

from fabricated import results, variant, variants
from petiole.evidence import mean_interval
from petiole.records import CurvePoint, Sensitivity, Unreached
from petiole.report import chapters
from petiole.report.blocks import Steps
from petiole.report.html import write_report


def point(method: str, amount: float, correct: int, *, seed: int = 0, retrained: bool = False) -> CurvePoint:
    return CurvePoint(
        method=method, scope="global", seed=seed, amount=amount, sparsity=amount, correct=correct, total=100,
        retrained=retrained,
    )  # fmt: skip


def sensitivity(name: str, asked: float, removed: int, correct: int, loss: float) -> Sensitivity:
    return Sensitivity(
        name=name, kind="channels", seed=0, asked=asked, removed=removed, of=32, correct=correct, total=50, loss=loss,
        correct_before=49, loss_before=0.1,
    )  # fmt: skip


def page(tmp_path: Path, **changes: Any) -> str:
    return write_report(tmp_path, results(**changes)).read_text(encoding="utf-8")


def test_curves_before_and_after_retraining_are_two_pictures_and_one_table(tmp_path: Path) -> None:
    points = [
        point("random", 0.5, 20), point("random", 0.5, 80, retrained=True),
        point("structured", 0.5, 30), point("structured", 0.5, 90, retrained=True),
        point("control", 0.0, 95, retrained=True),
    ]  # fmt: skip
    written = page(tmp_path, curves=points)
    assert (tmp_path / "charts/c3-3-curve.svg").is_file()
    assert (tmp_path / "charts/c3-3-curve-retrained.svg").is_file()
    assert "unpruned, retrained as long: 95.0% at 0%." in written, "drawn from end to end, told once"
    # before retraining each line begins with CNNOptimized, which is right about 96 of 100
    assert "before any retraining. random: 96.0% at 0%, 20.0% at 50%; structured" in written
    assert "removed): 96.0% at 0%, 30.0% at 50%" in written
    assert "after retraining. random: 80.0% at 50%;" in written
    for header in ("random", "random, retrained", "structured", "structured, retrained", "control, retrained"):
        assert f">{header}</th>" in written
    assert "95.0% (88.8-97.8%)" in written, "every accuracy has its interval"


def test_channels_stand_where_they_came_to(tmp_path: Path) -> None:
    """They leave in multiples: 50% was asked for, 52 and 54% left."""
    points = [
        point("structured", 0.5, right, seed=seed).model_copy(update={"sparsity": 0.52 + 0.02 * seed})
        for seed, right in enumerate((30, 40))
    ]
    written = page(tmp_path, curves=[point("random", 0.5, 20), *points])
    assert "removed): 96.0% at 0%, 35.0% at 53%." in written, "in the middle of both"
    assert "random: 96.0% at 0%, 20.0% at 50%" in written
    assert "channels leave in multiples: 52.0% to 54.0% for 50%." in re.sub(r"<[^>]+>", "", written)


def test_an_amount_of_some_seeds_only_is_told(tmp_path: Path) -> None:
    points = [point("structured", 0.5, right, seed=seed) for seed, right in enumerate((30, 40))]
    points += [point("structured-random", 0.5, 20)]
    written = page(tmp_path, curves=points)
    assert re.search(r">20\.0%</span> <span>\([\d.]+-[\d.]+%\),</span> <span>1 of 2 seeds<", written)
    assert "Structured-random: as much removed, channels by chance (and, spread over all" in written


def test_what_channels_cannot_reach_is_told_in_its_row(tmp_path: Path) -> None:
    points = [point("structured", 0.5, 30), point("structured", 0.5, 90, retrained=True), point("random", 0.9, 50)]
    limit = Unreached(method="structured", seed=0, amount=0.9, most=0.812)
    written = page(tmp_path, curves=points, unreached=[limit])
    row = re.search(r"90%</th>.*?</tr>", written, re.DOTALL)
    assert row is not None
    assert row.group(0).count("cannot be reached") == 2, "neither before nor after retraining"
    assert "Channels cannot reach 90%: the fewest that may stay leave 81.2% removed, no more." in written


def test_a_pruned_lenet_stands_with_the_digits(tmp_path: Path) -> None:
    rows = [*variants(), variant("LeNet-structured", 985, dataset="digits", parent="LeNet")]
    (pruned, digits) = (
        next(chapter for chapter in chapters.page(results(rows)).chapters if chapter.anchor == anchor)
        for anchor in ("3.3", "3.4.3")
    )
    made = [
        {name for block in chapter.blocks if isinstance(block, Steps) for name, _ in block.steps}
        for chapter in (pruned, digits)
    ]
    assert "LeNet-structured" in made[1] - made[0]


def test_without_a_study_there_is_one_picture(tmp_path: Path) -> None:
    page(tmp_path)
    assert (tmp_path / "charts/c3-3-curve.svg").is_file()
    assert not (tmp_path / "charts/c3-3-curve-retrained.svg").exists()


def test_intervals_over_seeds_are_at_least_as_wide_as_either() -> None:
    """Seeds 90, 94, 98 of 100: mean 94, t(2) = 4.303, s = 4, half-width 9.94 points; Wilson of 94 is (87.5, 97.2)."""
    mean, low, high = mean_interval([90, 94, 98], 100)
    assert (mean, high) == pytest.approx((0.94, 1.0))
    assert low == pytest.approx(0.94 - 4.3027 * 0.04 / 3**0.5, abs=1e-4)
    assert mean_interval([94], 100)[1:] == pytest.approx((0.8752, 0.9722), abs=1e-3)


def test_a_group_that_could_lose_nothing_is_called_that(tmp_path: Path) -> None:
    rows = [
        sensitivity("blocks.0", 0.25, 8, 48, 0.15), sensitivity("blocks.0", 0.5, 16, 30, 1.9),
        sensitivity("blocks.1", 0.25, 0, 49, 0.1), sensitivity("blocks.1", 0.5, 0, 49, 0.1),
    ]  # fmt: skip
    written = page(tmp_path, sensitivities=rows)
    assert (tmp_path / "charts/c3-3-sensitivity-channels.svg").is_file()
    assert written.count("nothing could be removed") >= 2
    row = re.search(r"blocks\.1</th>.*?</tr>", written, re.DOTALL)
    assert row is not None
    assert "98.0%" not in row.group(0), "what was not pruned is not called robust"
    assert "60.0%, 1.900" in re.sub(r"<[^>]+>", "", written)
    assert "the whole network: 98.0%, 0.100" in written
    assert "highest for blocks.0 (50%)" in written


@pytest.mark.parametrize(("removed", "told"), [(8, "highest for blocks.0 (25%)"), (0, "nothing could be removed")])
def test_the_heat_map_names_no_group_that_lost_nothing(removed: int, told: str, tmp_path: Path) -> None:
    """What is removed may lower the loss, and then the groups that stay whole have the highest."""
    rows = [sensitivity("blocks.0", 0.25, removed, 49, 0.05), sensitivity("blocks.1", 0.25, 0, 49, 0.1)]
    written = page(tmp_path, sensitivities=rows)
    assert f"share removed; {'it is ' * bool(removed)}{told}" in written
