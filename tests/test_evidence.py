"""What counts as a change, worked out by hand on made-up numbers."""

import pytest
from statsmodels.stats.proportion import confint_proportions_2indep

from fabricated import accuracy, latency, results, variant, versus
from petiole import evidence
from petiole.caveats import random_weights
from petiole.evidence import Group, Timing, accuracy_change, groups, latency_change
from petiole.records import Variant


def group(*rows: Variant) -> Group:
    (only,) = groups(rows)
    return only


def child(correct: int, lost: int, gained: int, seed: int = 0) -> Variant:
    return variant("B", correct, parent="A", versus_parent=versus(lost, gained), seed=seed)


def timing(p25: float, p50: float, p75: float, *, runtime: str = "torch", batch: int = 1) -> Timing:
    return Timing(runtime=runtime, batch=batch, threads=2, p25_ms=p25, p50_ms=p50, p75_ms=p75, p90_ms=p75)


def test_groups_are_by_name_and_engine_in_order_of_first_rows() -> None:
    rows = [variant("B", 1), variant("A", 1), variant("B", 1, seed=1), variant("B", 1, engine="eager")]
    assert [(each.label, len(each.rows)) for each in groups(rows)] == [("B", 2), ("A", 1), ("B (eager)", 1)]


def test_one_seed_has_the_wilson_interval_of_its_record() -> None:
    row = variant("A", 90)
    assert group(row).interval == row.accuracy.ci95


def test_several_seeds_have_an_interval_of_the_mean_that_covers_seeds_and_pictures() -> None:
    three = group(*(variant("A", correct, seed=seed) for seed, correct in enumerate((90, 92, 94))))
    assert three.accuracy == pytest.approx(0.92)
    half = 4.302653 * 0.02 / 3**0.5  # t of 2 degrees of freedom; the standard deviation is 0.02
    assert three.seeds_interval == pytest.approx((0.92 - half, 0.92 + half), abs=1e-6)
    assert three.pictures_interval == variant("A", 92).accuracy.ci95  # 3 seeds, but still 100 pictures
    assert three.interval == pytest.approx((variant("A", 92).accuracy.ci95[0], 0.92 + half), abs=1e-6)


def test_seeds_that_agree_do_not_make_pictures() -> None:
    same = group(*(variant("A", 92, seed=seed) for seed in range(3)))
    assert same.seeds_interval == pytest.approx((0.92, 0.92))
    assert same.interval == pytest.approx(variant("A", 92).accuracy.ci95)


@pytest.mark.parametrize(
    ("lost", "gained", "change"),
    [(0, 6, "up"), (6, 0, "down"), (0, 5, "unclear"), (5, 0, "unclear"), (0, 0, "unclear")],
)
def test_one_seed_goes_by_mcnemar(lost: int, gained: int, change: str) -> None:
    """6 flips one way have p = 2 / 2^6 = 0.031, 5 have 2 / 2^5 = 0.0625."""
    flips = group(child(90, lost, gained)).flips
    assert flips is not None
    assert flips.change == change
    assert flips.difference == pytest.approx((gained - lost) / 100)


def test_several_seeds_are_averaged() -> None:
    flips = group(*(child(90, 1, gained, seed) for seed, gained in enumerate((8, 9, 10)))).flips
    assert flips is not None
    assert (flips.lost, flips.gained, flips.change) == (3, 27, "up")
    assert flips.p == pytest.approx(22 / 1024)  # 1 lost, 9 gained: (C(10, 0) + C(10, 1)) / 2^10, two-sided
    assert flips.difference == pytest.approx(0.08)


def test_the_test_alone_is_not_enough_when_seeds_disagree() -> None:
    """Differences of 0.20, 0 and 0: 6.7 gained on average, 6 whole ones, have a small p, but the t interval holds 0."""
    flips = group(child(90, 0, 20), child(90, 0, 0, 1), child(90, 0, 0, 2)).flips
    assert flips is not None
    assert flips.p == pytest.approx(2 / 2**6)
    assert flips.change == "unclear"


def test_agreeing_seeds_alone_are_not_enough_when_flips_are_few() -> None:
    """Three pictures gained by each of 3 seeds: the t interval has no width, but p is 2 / 2^3 = 0.25."""
    flips = group(*(child(90, 0, 3, seed) for seed in range(3))).flips
    assert flips is not None
    assert flips.p == pytest.approx(0.25)
    assert flips.change == "unclear"


def test_no_flips_without_a_parent() -> None:
    assert group(variant("A", 90)).flips is None


@pytest.mark.parametrize(
    ("after", "change"),
    [
        (timing(1.9, 2.0, 2.1), "down"),
        (timing(5.9, 6.0, 6.1), "up"),
        (timing(3.7, 3.8, 3.95), "unclear"),  # boxes overlap
        (timing(1.0, 3.7, 3.8), "down"),  # boxes apart, however wide one of them is
        (timing(0.0, 2.0, 0.0), "unclear"),  # no spread recorded
        (timing(1.9, 2.0, 2.1, runtime="openvino"), "unclear"),  # another runtime
        (timing(1.9, 2.0, 2.1, batch=8), "unclear"),  # another batch
    ],
)
def test_times_change_only_beyond_their_spread(after: Timing, change: str) -> None:
    assert latency_change(timing(3.9, 4.0, 4.1), after) == change


def test_times_of_two_runtimes_may_be_compared_where_both_are_named() -> None:
    before, after = timing(3.9, 4.0, 4.1), timing(1.9, 2.0, 2.1, runtime="openvino")
    assert evidence.timing_change(before, after) == "down"


def test_timings_of_seeds_take_medians_and_the_outermost_quartiles() -> None:
    rows = [variant("A", 90, seed=seed, latency=[latency(ms)]) for seed, ms in enumerate((2.0, 3.0, 7.0))]
    (only,) = group(*rows).timings
    assert (only.p25_ms, only.p50_ms, only.p75_ms, only.p90_ms) == pytest.approx((1.9, 3.0, 7.1, 3.2))


@pytest.mark.parametrize(("after", "change"), [(95, "up"), (70, "unclear"), (30, "down")])
def test_unpaired_accuracies_need_intervals_apart(after: int, change: str) -> None:
    assert accuracy_change(group(variant("A", 65)), group(variant("B", after))) == change


@pytest.mark.parametrize(("before", "after"), [(70, 90), (3, 0), (100, 100)])
def test_the_unpaired_difference_agrees_with_statsmodels(before: int, after: int) -> None:
    expected = confint_proportions_2indep(after, 100, before, 100, method="newcomb")
    found = evidence.unpaired_difference(group(variant("A", before)), group(variant("B", after)))
    assert found == pytest.approx(expected, abs=1e-9)


def test_random_weights_are_known_from_run_or_variant_but_not_from_a_network_that_starts_so() -> None:
    assert not random_weights(results())
    assert random_weights(results(run_weights="random"))
    assert random_weights(results([variant("CNNAdapted", 50, weights="random")]))
    assert not random_weights(results([variant("CNNScratch", 50, weights="random")]))


@pytest.mark.parametrize(("total", "digits"), [(153, 1), (1000, 1), (10_000, 2)])
def test_digits_follow_the_number_of_pictures(total: int, digits: int) -> None:
    assert group(variant("A", 1, accuracy=accuracy(1, total))).digits == digits


def test_fabricated_accuracy_is_what_it_says() -> None:
    assert accuracy(3, 4).value == 0.75
