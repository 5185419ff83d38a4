"""Limits: what the figures break, and what the pictures decide."""

import pytest

from petiole import stats
from petiole.errors import UserError
from petiole.search.limits import Limits, judge_accuracy, judge_drop


def test_exact_limits_are_told_with_what_was_found() -> None:
    limits = Limits(max_latency_ms=1.0, max_bytes=2_000_000, max_macs=100_000_000)
    found = limits.exact(p50_ms=1.5, file_bytes=1_000_000, macs=100_000_000)
    assert [(each.limit, each.found, each.times) for each in found] == [
        ("--max-latency 1 ms", "1.50 ms", 1.5), ("--max-size 2 MB", "1.0 MB", 0.5),
        ("--max-macs 100 M", "100 M", 1.0),
    ]  # fmt: skip
    (near,) = Limits(max_latency_ms=2.0).exact(p50_ms=2.0041, file_bytes=1, macs=1)
    assert (near.limit, near.found) == ("--max-latency 2 ms", "2.0041 ms"), "what differs is not printed alike"
    assert Limits().exact(p50_ms=1.5, file_bytes=1, macs=1) == []


@pytest.mark.parametrize(
    ("objective", "expected"), [("latency", 2.0), ("size", 300.0), ("macs", 50.0), ("accuracy", 0.1)]
)
def test_the_objective_is_what_is_made_small(objective: str, expected: float) -> None:
    assert Limits(objective=objective).costs(p50_ms=2.0, file_bytes=300, macs=50, error=0.1) == expected


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(objective="speed"), "unknown objective 'speed': choose from latency, size, macs, accuracy"),
        (Limits(max_drop=1.5), "--max-drop 150 is out of range"),
        (Limits(min_accuracy=-0.1), "--min-accuracy -10 is out of range"),
    ],
)
def test_what_is_out_of_range_is_told(limits: Limits, message: str) -> None:
    with pytest.raises(UserError, match=message):
        limits.require_valid()


def test_153_photos_without_a_flip_do_not_prove_a_loss_of_at_most_one_point() -> None:
    """Without any flip the score interval ends at z^2 / (n + z^2): 381 photos are the least that end within 1 point."""
    judged = judge_drop(0, 0, 153, 0.01)
    assert judged.verdict == "undecided"
    assert judged.low == pytest.approx(-(1.959964**2) / (153 + 1.959964**2), rel=1e-5)
    assert judged.photos_needed == pytest.approx(381, abs=2)
    assert judge_drop(0, 0, 400, 0.01).verdict == "kept"


def test_many_losses_break_the_limit_and_many_gains_keep_it() -> None:
    assert judge_drop(20, 0, 153, 0.01).verdict == "broken"
    assert judge_drop(0, 20, 153, 0.01).verdict == "kept"
    assert judge_drop(20, 0, 153, 0.01).photos_needed is None


def test_the_number_of_photos_that_would_decide_does_decide() -> None:
    judged = judge_drop(3, 2, 153, 0.02)
    assert judged.verdict == "undecided"
    assert judged.photos_needed is not None
    scale = judged.photos_needed / 153
    low, high = stats.paired_difference(3 * scale, 2 * scale, judged.photos_needed)
    assert low >= -0.02 or high < -0.02


def test_a_loss_that_is_the_limit_itself_is_decided_by_no_number() -> None:
    judged = judge_drop(2, 1, 100, 0.01)
    assert (judged.verdict, judged.photos_needed) == ("undecided", None)


def test_accuracy_is_judged_by_its_interval() -> None:
    assert judge_accuracy(150, 153, 0.93).verdict == "kept"  # Wilson: from 94.4%
    assert judge_accuracy(120, 153, 0.93).verdict == "broken"
    judged = judge_accuracy(146, 153, 0.93)  # from 90.9 to 97.8%
    assert judged.verdict == "undecided"
    assert judged.photos_needed is not None
    needed = judged.photos_needed
    assert stats.wilson(round(146 / 153 * needed), needed)[0] >= 0.93
    assert stats.wilson(round(146 / 153 * needed * 0.95), round(needed * 0.95))[0] < 0.93
