"""Intervals and paired tests against hand values, closed forms and statsmodels."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import optimize
from scipy.stats import norm
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from petiole import stats

tables = st.tuples(st.integers(0, 60), st.integers(0, 60))


@given(total=st.integers(1, 20_000), share=st.floats(0, 1), confidence=st.sampled_from([0.9, 0.95, 0.99]))
@settings(max_examples=60, deadline=None)
def test_wilson_agrees_with_statsmodels(total: int, share: float, confidence: float) -> None:
    correct = round(share * total)
    expected = proportion_confint(correct, total, alpha=1 - confidence, method="wilson")
    assert stats.wilson(correct, total, confidence) == pytest.approx(expected, abs=1e-9)


def test_wilson_by_hand() -> None:
    # all of 10 right: the upper end is 1, the lower one is n / (n + z^2) = 10 / 13.8415
    assert stats.wilson(10, 10) == pytest.approx((10 / (10 + 1.959964**2), 1.0), abs=1e-6)
    assert stats.wilson(0, 10) == pytest.approx((0.0, 1.959964**2 / (10 + 1.959964**2)), abs=1e-6)
    low, high = stats.wilson(5, 10)
    assert low + high == pytest.approx(1.0)  # symmetric about one half


@pytest.mark.parametrize(("correct", "total"), [(0, 0), (3, 2), (-1, 2)])
def test_wilson_refuses_impossible_counts(correct: int, total: int) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the library's own words
        stats.wilson(correct, total)


@given(a=st.tuples(st.integers(0, 90), st.integers(90, 300)), b=st.tuples(st.integers(0, 90), st.integers(90, 300)))
@settings(max_examples=60, deadline=None)
def test_the_unpaired_difference_agrees_with_statsmodels(a: tuple[int, int], b: tuple[int, int]) -> None:
    expected = confint_proportions_2indep(*b, *a, method="newcomb", compare="diff")
    one, other = ((correct / total, *stats.wilson(correct, total)) for correct, total in (a, b))
    assert stats.unpaired_difference(one, other) == pytest.approx(expected, abs=1e-9)


@given(tables)
@settings(max_examples=60, deadline=None)
def test_mcnemar_agrees_with_statsmodels_and_with_the_sum_of_binomials(table: tuple[int, int]) -> None:
    lost, gained = table
    p = stats.mcnemar_exact(lost, gained)
    flips = lost + gained
    by_hand = min(1.0, 2 * sum(math.comb(flips, k) for k in range(min(table) + 1)) / 2**flips)
    assert p == pytest.approx(by_hand, rel=1e-9)
    if flips:  # statsmodels divides by the number of flips
        theirs = statsmodels_mcnemar([[7, lost], [gained, 9]], exact=True).pvalue
        assert p == pytest.approx(theirs, rel=1e-9)


def test_mcnemar_by_hand() -> None:
    assert stats.mcnemar_exact(0, 0) == 1.0
    assert stats.mcnemar_exact(6, 0) == pytest.approx(2 / 2**6)
    assert stats.mcnemar_exact(0, 6) == pytest.approx(2 / 2**6)
    assert stats.mcnemar_exact(1, 7) == pytest.approx(2 * (1 + 8) / 2**8)


def rows(lost: int, gained: int, both: int) -> tuple[list[bool], list[bool]]:
    """Two networks' answers with that many pictures lost, gained, and called rightly by both."""
    a = [True] * lost + [False] * gained + [True] * both
    b = [False] * lost + [True] * gained + [True] * both
    return a, b


def plain_bootstrap(a: Sequence[bool], b: Sequence[bool], resamples: int) -> tuple[float, float]:
    """The bootstrap as the textbook has it: draw pictures, count, take quantiles."""
    difference = np.asarray(b, float) - np.asarray(a, float)
    drawn = np.random.default_rng(99).integers(difference.size, size=(resamples, difference.size))
    low, high = np.quantile(difference[drawn].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def test_paired_bootstrap_agrees_with_drawing_pictures() -> None:
    a, b = rows(lost=12, gained=30, both=158)
    difference, low, high = stats.paired_bootstrap(a, b, seed=0)
    assert difference == pytest.approx(18 / 200)
    assert (low, high) == pytest.approx(plain_bootstrap(a, b, 10_000), abs=0.006)
    # and with the normal approximation: sd = sqrt((gained + lost)/n - d^2) / sqrt(n)
    half = 1.96 * math.sqrt(42 / 200 - 0.09**2) / math.sqrt(200)
    assert (low, high) == pytest.approx((0.09 - half, 0.09 + half), abs=0.006)


def test_paired_bootstrap_is_seeded_and_knows_its_direction() -> None:
    a, b = rows(lost=9, gained=2, both=40)
    assert stats.paired_bootstrap(a, b, seed=3) == stats.paired_bootstrap(a, b, seed=3)
    assert stats.paired_bootstrap(a, b, seed=3)[0] < 0 < stats.paired_bootstrap(b, a, seed=3)[0]
    assert stats.paired_bootstrap(a, a, seed=3) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(("a", "b"), [([], []), ([True], [True, False])])
def test_paired_bootstrap_needs_pairs(a: list[bool], b: list[bool]) -> None:
    with pytest.raises(ValueError, match="equally long"):
        stats.paired_bootstrap(a, b, seed=0)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8))
@settings(max_examples=40, deadline=None)
def test_t_interval_agrees_with_statsmodels(values: list[float]) -> None:
    expected = DescrStatsW(values).tconfint_mean(alpha=0.05)
    mean, low, high = stats.mean_t_interval(values)
    assert mean == pytest.approx(sum(values) / len(values))
    assert (low, high) == pytest.approx(expected, abs=1e-9)


def test_t_interval_by_hand() -> None:
    # n = 3: t(0.975, 2) = 4.302653; mean 0.95, standard deviation 0.01
    half = 4.302653 * 0.01 / math.sqrt(3)
    assert stats.mean_t_interval([0.94, 0.95, 0.96]) == pytest.approx((0.95, 0.95 - half, 0.95 + half))


def test_one_seed_has_no_interval_and_none_no_mean() -> None:
    assert stats.mean_t_interval([0.5]) == (0.5, None, None)
    with pytest.raises(ValueError, match="at least one"):
        stats.mean_t_interval([])


def timings(centre_ms: float, n: int, seed: int, drift: float = 0.0) -> np.ndarray:
    """Timings with noise of 5%, slowed down by ``drift`` towards the end."""
    noise = np.random.default_rng(seed).normal(1, 0.05, n)
    slowed: np.ndarray = centre_ms * noise * (1 + drift * np.linspace(0, 1, n))
    return slowed


def test_ratio_interval_holds_the_true_speed_up() -> None:
    ratio, low, high = stats.median_ratio_interval(timings(8.0, 200, 1), timings(2.0, 500, 2), rounds=20, seed=0)
    assert ratio == pytest.approx(4.0, rel=0.02)
    assert low < 4.0 < high
    assert high - low < 0.2


def test_ratio_interval_covers_the_truth_as_often_as_it_says_in_spite_of_drift() -> None:
    kept = 0
    for trial in range(40):
        a, b = (timings(3.0, 200, 2 * trial + side, drift=0.5) for side in (0, 1))
        _, low, high = stats.median_ratio_interval(a, b, rounds=20, seed=trial)
        kept += low <= 1 <= high
    assert kept >= 35  # 95% of 40 is 38; below 35 has a chance of 1.4%, and the seeds are fixed


def test_neighbouring_timings_are_not_taken_for_independent() -> None:
    # The machine was slow for a while, just when b ran; 200 independent timings would give a narrow interval.
    wave = np.repeat(np.random.default_rng(5).normal(1, 0.1, 20), 50)
    a, b = timings(3.0, 1000, 1), timings(3.0, 1000, 2) * wave
    _, low, high = stats.median_ratio_interval(a, b, rounds=20, seed=0)
    resampled = np.random.default_rng(6).integers(1000, size=(2000, 1000))
    independent = np.quantile(np.median(a[resampled], axis=1) / np.median(b[resampled], axis=1), [0.025, 0.975])
    assert high - low > 2 * (independent[1] - independent[0])


def test_ratio_interval_of_constant_timings_is_a_point() -> None:
    assert stats.median_ratio_interval([6.0] * 30, [2.0] * 40, rounds=20, seed=0) == (3.0, 3.0, 3.0)
    assert stats.median_ratio_interval([2.0] * 30, [2.0] * 40, rounds=20, seed=0) == (1.0, 1.0, 1.0)


def test_ratio_interval_needs_more_than_one_timing() -> None:
    with pytest.raises(ValueError, match="at least two"):
        stats.median_ratio_interval([1.0], [1.0, 2.0], rounds=20, seed=0)


def exact_power(n: int, difference: float, discordant_rate: float) -> float:
    """The chance that the exact McNemar test on n pictures has p < 0.05, by summing over all outcomes."""
    from scipy.stats import binom

    flips = np.arange(n + 1)
    # the largest number of losses k with 2 P(losses <= k) < 0.05 among so many flips; -1 where there is none
    largest = binom.ppf(0.025, flips, 0.5) - 1
    gained_share = (discordant_rate + difference) / (2 * discordant_rate)
    reject = binom.cdf(largest, flips, 1 - gained_share)
    return float((binom.pmf(flips, n, discordant_rate) * reject).sum())


@pytest.mark.parametrize(("difference", "discordant_rate"), [(0.05, 0.10), (0.02, 0.05), (0.0065, 0.033), (0.05, 0.05)])
def test_photos_needed_gives_about_the_power_that_was_asked_for(difference: float, discordant_rate: float) -> None:
    n = stats.photos_needed(difference, discordant_rate)
    assert 0.74 < exact_power(n, difference, discordant_rate) < 0.83
    assert stats.photos_needed(-difference, discordant_rate) == n


def test_photos_needed_by_hand() -> None:
    # (1.959964 sqrt(0.1) + 0.841621 sqrt(0.1 - 0.0025))^2 / 0.0025
    # = (0.619795 + 0.262796)^2 / 0.0025 = 311.59
    assert stats.photos_needed(0.05, 0.10) == 312


@pytest.mark.parametrize(("difference", "discordant_rate"), [(0.0, 0.1), (0.2, 0.1), (0.1, 1.5)])
def test_photos_needed_refuses_the_impossible(difference: float, discordant_rate: float) -> None:
    with pytest.raises(ValueError, match="discordant_rate"):
        stats.photos_needed(difference, discordant_rate)


def _score_by_search(lost: int, gained: int, total: int, delta: float) -> float:
    """Tango's statistic with the constrained maximum of the likelihood found by search instead of in closed form."""

    def negative_log_likelihood(losing: float) -> float:
        shares = (losing, losing + delta, 1 - 2 * losing - delta)
        counts = (lost, gained, total - lost - gained)
        return -sum(count * math.log(max(share, 1e-300)) for count, share in zip(counts, shares, strict=True) if count)

    low, high = max(0.0, -delta), (1 - delta) / 2
    losing = optimize.minimize_scalar(
        negative_log_likelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-12}
    ).x
    return float((gained - lost - total * delta) / math.sqrt(total * (2 * losing + delta * (1 - delta))))


@pytest.mark.parametrize(("lost", "gained", "total"), [(3, 2, 153), (9, 1, 153), (1, 12, 60), (20, 25, 459)])
def test_ends_of_the_paired_difference_lie_where_the_score_is_1_96(lost: int, gained: int, total: int) -> None:
    low, high = stats.paired_difference(lost, gained, total)
    assert low < (gained - lost) / total < high
    assert _score_by_search(lost, gained, total, low) == pytest.approx(1.96, abs=2e-3)
    assert _score_by_search(lost, gained, total, high) == pytest.approx(-1.96, abs=2e-3)


@given(lost=st.integers(0, 40), gained=st.integers(0, 40), others=st.integers(1, 2000))
@settings(max_examples=60, deadline=None)
def test_the_paired_difference_of_any_table(lost: int, gained: int, others: int) -> None:
    """Its ends lie where the score, its likelihood found by search, is 1.96; it holds the difference; more pictures
    of the same kind make it narrower; and where the exact test finds nothing at 0.2, it holds 0."""
    total = lost + gained + others
    low, high = stats.paired_difference(lost, gained, total)
    assert -1 <= low <= (gained - lost) / total <= high <= 1
    assert _score_by_search(lost, gained, total, low) == pytest.approx(1.96, abs=0.01)
    assert _score_by_search(lost, gained, total, high) == pytest.approx(-1.96, abs=0.01)
    narrower = stats.paired_difference(4 * lost, 4 * gained, 4 * total)
    assert narrower[1] - narrower[0] < high - low
    if stats.mcnemar_exact(lost, gained) > 0.2:
        assert low < 0 < high


@given(shares=st.tuples(st.floats(1e-4, 1), st.floats(0.01, 1)), power=st.floats(0.5, 0.99))
@settings(max_examples=60, deadline=None)
def test_photos_needed_agrees_with_the_normal_approximation(shares: tuple[float, float], power: float) -> None:
    """With so many photos the approximate power is at least what was asked for, and with one fewer it is not."""
    discordant, difference = shares[1], shares[0] * shares[1]
    assume(difference**2 < discordant)

    def approximate_power(n: int) -> float:
        spread = math.sqrt(max(discordant - difference**2, 1e-300))
        z = (difference * math.sqrt(n) - norm.ppf(0.975) * math.sqrt(discordant)) / spread
        return float(norm.cdf(z))

    n = stats.photos_needed(difference, discordant, power=power)
    assert approximate_power(n) >= power - 1e-6
    assert approximate_power(n - 1) < power + 1e-6


@given(a=st.lists(st.floats(0.01, 100), min_size=2, max_size=60), factor=st.floats(0.1, 10))
@settings(max_examples=30, deadline=None)
def test_the_ratio_of_medians_of_any_timings(a: list[float], factor: float) -> None:
    """The ratio is that of the two medians; the interval holds it where b is a by a factor, and is then a point."""
    ratio, low, high = stats.median_ratio_interval(a, [factor * ms for ms in a], rounds=20, seed=0, resamples=200)
    assert ratio == pytest.approx(1 / factor)
    assert (low, high) == pytest.approx((1 / factor, 1 / factor))


def test_the_paired_difference_turns_round_with_its_networks() -> None:
    low, high = stats.paired_difference(7, 2, 153)
    assert stats.paired_difference(2, 7, 153) == pytest.approx((-high, -low), abs=1e-9)


@pytest.mark.parametrize(("lost", "gained", "total"), [(0, 0, 0), (-1, 0, 5), (3, 3, 5)])
def test_a_paired_difference_of_no_table_is_refused(lost: int, gained: int, total: int) -> None:
    with pytest.raises(ValueError, match="are no table"):
        stats.paired_difference(lost, gained, total)


def test_balanced_accuracy_by_hand_and_of_one_class() -> None:
    # Wilson: 9 of 10 gives 0.5958 to 0.9821, 5 of 10 gives 0.2366 to 0.7634
    low = 0.7 - math.sqrt((0.9 - 0.5958) ** 2 + (0.5 - 0.2366) ** 2) / 2
    high = 0.7 + math.sqrt((0.9821 - 0.9) ** 2 + (0.7634 - 0.5) ** 2) / 2
    assert stats.balanced([[9, 1, 0], [5, 5, 0], [0, 0, 0]]) == pytest.approx((0.7, low, high), abs=1e-4)
    assert stats.balanced([[8]]) == pytest.approx((1.0, *stats.wilson(8, 8)))


def test_calls_of_one_round_are_not_taken_for_several() -> None:
    # Ten rounds of six calls: each round has a speed of its own, which its calls share.
    wave = np.repeat(np.random.default_rng(3).normal(1, 0.1, 10), 6)
    a, b = timings(3.0, 60, 1), timings(3.0, 60, 2) * wave
    wide, narrow = (stats.median_ratio_interval(a, b, rounds=rounds, seed=0) for rounds in (10, 60))
    assert wide[2] - wide[1] > 1.3 * (narrow[2] - narrow[1])
