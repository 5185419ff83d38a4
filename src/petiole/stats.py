"""What the numbers can tell apart: intervals and paired tests. No torch; scipy only where used.

Accuracies are fractions 0..1, intervals two-sided. Comparisons are paired: two networks are judged on the
same pictures, two runtimes are timed in the same rounds.
"""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

SEGMENTS = 20
"""Into how many consecutive parts :func:`median_ratio_interval` cuts a series of timings."""


def wilson(correct: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of an accuracy: Wilson's score interval (Wilson 1927, J. Am. Stat. Assoc. 22), within 0..1.

    Raises:
        ValueError: no pictures, or ``correct`` outside 0..``total``.

    >>> [round(end, 3) for end in wilson(146, 153)]
    [0.909, 0.978]
    """
    if total < 1:
        raise ValueError("an accuracy needs at least one picture")
    if not 0 <= correct <= total:
        raise ValueError(f"{correct} of {total} pictures is no accuracy")
    z, share = NormalDist().inv_cdf(0.5 + confidence / 2), correct / total
    middle = share + z**2 / (2 * total)
    half = z * math.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    low, high = ((middle + sign * half) / (1 + z**2 / total) for sign in (-1, 1))
    return (low if correct else 0.0), (high if correct < total else 1.0)


def mcnemar_exact(lost: int, gained: int) -> float:
    """Two-sided p-value of two networks being equally accurate: McNemar's test (1947), exact (binomial).

    ``lost`` pictures only the first network called rightly, ``gained`` only the second. Pictures that both
    called rightly, or both wrongly, tell nothing. Without any flip the p-value is 1.

    >>> mcnemar_exact(5, 0), mcnemar_exact(3, 2), mcnemar_exact(0, 0)
    (0.0625, 1.0, 1.0)
    """
    flips, fewer = lost + gained, min(lost, gained)
    tail = sum(math.comb(flips, k) for k in range(fewer + 1))  # of 2^flips ways; whole numbers of any size
    return min(1.0, float(Fraction(2 * tail, 2**flips)))


def paired_bootstrap(
    a_correct: ArrayLike,
    b_correct: ArrayLike,
    *,
    seed: int,
    resamples: int = 10_000,
    confidence: float = 0.95,
) -> tuple[float, float, float]:
    """Accuracy of b minus accuracy of a, and its percentile bootstrap interval (Efron 1979).

    ``a_correct`` and ``b_correct`` are ``(N,)``, truth values, of the same pictures in the same order.
    Pictures are drawn with replacement, both networks' answers together. Only the numbers of pictures gained
    and lost in a draw matter, and these are multinomial: so they are drawn directly, which is the same
    distribution.

    Raises:
        ValueError: no pictures, or two different numbers of them.
    """
    a, b = np.asarray(a_correct, dtype=bool), np.asarray(b_correct, dtype=bool)
    if a.shape != b.shape or a.ndim != 1 or a.size == 0:
        raise ValueError(f"two equally long, non-empty rows are needed, not shapes {a.shape} and {b.shape}")
    n = a.size
    gained, lost = int((b & ~a).sum()), int((a & ~b).sum())
    draws = np.random.default_rng(seed).multinomial(n, [gained / n, lost / n, (n - gained - lost) / n], size=resamples)
    low, high = _middle((draws[:, 0] - draws[:, 1]) / n, confidence)
    return (gained - lost) / n, low, high


def paired_difference(lost: float, gained: float, total: float, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of the difference of two accuracies on the same pictures: the score interval of Tango (1998,
    Statistics in Medicine 17), which keeps its confidence also with few flips, and without any.

    ``lost`` pictures only the first network called rightly, ``gained`` only the second, of ``total``; the difference is
    that of the second minus the first. Counts need not be whole, so that one may ask about more pictures.

    Raises:
        ValueError: no pictures, or more flips than pictures.

    >>> [round(end, 3) for end in paired_difference(0, 0, 153)]
    [-0.024, 0.024]
    """
    if total <= 0 or min(lost, gained) < 0 or lost + gained > total:
        raise ValueError(f"{lost} lost and {gained} gained of {total} pictures are no table")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)

    def score(delta: float) -> float:
        linear = (2 * total - gained + lost) * delta - gained - lost
        root = math.sqrt(max(0.0, linear**2 + 8 * total * lost * delta * (1 - delta)))
        losing = (root - linear) / (4 * total)  # of the first, if the difference were delta: its likeliest share
        variance = total * (2 * losing + delta * (1 - delta))
        gap = gained - lost - total * delta
        if variance <= 0:
            return math.copysign(math.inf, gap) if gap else 0.0
        return gap / math.sqrt(variance)

    difference, edge = (gained - lost) / total, 1 - 1e-9
    low = -1.0 if score(-edge) < z else _crossing(score, z, -edge, difference)
    high = 1.0 if score(edge) > -z else _crossing(score, -z, difference, edge)
    return low, high


def unpaired_difference(a: tuple[float, float, float], b: tuple[float, float, float]) -> tuple[float, float]:
    """Interval of accuracy ``b`` minus accuracy ``a``, each a value with the ends of its own interval, of different
    pictures: with Wilson's that of Newcombe (1998, Statistics in Medicine 17, method 10); it needs no more than the
    interval of each (Zou and Donner 2008).

    >>> [round(end, 4) for end in unpaired_difference((0.6, *wilson(48, 80)), (0.8, *wilson(56, 70)))]
    [0.0524, 0.3339]
    """
    (share_a, low_a, high_a), (share_b, low_b, high_b) = a, b
    difference = share_b - share_a
    low = difference - math.hypot(share_b - low_b, high_a - share_a)
    return low, difference + math.hypot(high_b - share_b, share_a - low_a)


def _crossing(falling: Callable[[float], float], level: float, low: float, high: float) -> float:
    """Where a function that falls from ``low`` to ``high`` passes ``level``, by bisection to the last digits."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > level else (low, middle)
    return (low + high) / 2


def mean_t_interval(values: ArrayLike, confidence: float = 0.95) -> tuple[float, float | None, float | None]:
    """Mean over seeds and its Student t interval (Student 1908).

    One value says nothing about the spread: then both ends are None, which is shown as "one seed, no
    interval". The interval is of the mean of normally spread values; it may leave 0..1 and is not cut there.

    Raises:
        ValueError: no values.

    >>> [round(number, 3) for number in mean_t_interval([1.0, 2.0, 3.0])]
    [2.0, -0.484, 4.484]
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.size == 0:
        raise ValueError("a mean needs at least one value")
    mean = float(sample.mean())
    if sample.size == 1:
        return mean, None, None
    from scipy.special import stdtrit

    half = stdtrit(sample.size - 1, 0.5 + confidence / 2) * sample.std(ddof=1) / math.sqrt(sample.size)
    return mean, mean - float(half), mean + float(half)


def median_ratio_interval(
    a_ms: ArrayLike, b_ms: ArrayLike, *, rounds: int, seed: int, resamples: int = 2_000, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Ratio median(a) / median(b), the speed-up from a to b, and its bootstrap interval.

    Both series were timed in the same interleaved ``rounds``, in order (:mod:`petiole.bench.latency`); their
    lengths may differ. Neighbouring timings resemble each other and the machine drifts, so single timings
    must not be drawn as if they were independent (Künsch 1989, block bootstrap): each series is cut into
    ``SEGMENTS`` consecutive parts of about equal length, which cover the same stretches of time, and whole
    parts are drawn, of a and b together. There are never more parts than rounds: the calls of one round share its
    drift. With few rounds the interval is too narrow (10: it misses about one in ten).

    Raises:
        ValueError: fewer than two timings in a series.
    """
    a, b = np.asarray(a_ms, dtype=np.float64), np.asarray(b_ms, dtype=np.float64)
    segments = min(SEGMENTS, rounds, a.size, b.size)
    if segments < 2:
        raise ValueError("an interval needs at least two rounds with a timing of each")
    draws = np.random.default_rng(seed).integers(segments, size=(resamples, segments))
    ratios = _medians_of_parts(a, draws) / _medians_of_parts(b, draws)
    low, high = _middle(ratios, confidence)
    return float(np.median(a) / np.median(b)), low, high


def _medians_of_parts(series: NDArray[np.float64], draws: NDArray[np.int64]) -> NDArray[np.float64]:
    """The median of the parts (consecutive ones, of about equal length) that each row of ``draws`` ``(R, P)`` names, a
    part as often as it is named. The series is sorted once, not in each draw."""
    count = draws.shape[1]
    owner = np.repeat(np.arange(count), [part.size for part in np.array_split(series, count)])
    order = np.argsort(series)
    values, owner = series[order], owner[order]
    medians = np.empty(len(draws))
    for at, drawn in enumerate(draws):
        seen = np.cumsum(np.bincount(drawn, minlength=count)[owner])  # timings up to each value
        low, high = np.searchsorted(seen, [(seen[-1] - 1) // 2, seen[-1] // 2], side="right")
        medians[at] = (values[low] + values[high]) / 2
    return medians


def photos_needed(difference: float, discordant_rate: float, *, power: float = 0.8, alpha: float = 0.05) -> int:
    """How many test pictures the paired test needs to tell a ``difference`` of two accuracies.

    ``discordant_rate`` is the share of pictures that just one of the two calls rightly, (lost + gained) /
    total. Sample size of McNemar's test after Connor (1987, Biometrics 43, equation 3); the exact test needs
    a few more.

    Raises:
        ValueError: the difference is 0, or larger than the share of pictures that differ.

    >>> photos_needed(0.05, 0.10)
    312
    """
    gap = abs(difference)
    if not 0 < gap <= discordant_rate <= 1:
        raise ValueError(f"need 0 < |difference| <= discordant_rate <= 1, not {difference} and {discordant_rate}")
    z_alpha, z_power = NormalDist().inv_cdf(1 - alpha / 2), NormalDist().inv_cdf(power)
    root = z_alpha * math.sqrt(discordant_rate) + z_power * math.sqrt(discordant_rate - gap**2)
    return math.ceil((root / gap) ** 2)


def balanced(confusion: Sequence[Sequence[int]]) -> tuple[float, float, float]:
    """Mean of the classes' accuracies and its 95% interval, made of Wilson's of each class (Zou and Donner 2008).

    ``confusion[i][j]`` counts pictures of class ``i`` that were called ``j``; classes without pictures do not count.

    >>> "%.3f %.3f %.3f" % balanced([[9, 1], [5, 5]])
    '0.700 0.499 0.838'
    """
    classes = [(line[at], sum(line)) for at, line in enumerate(confusion) if sum(line)]
    ends = [(correct / total, *wilson(correct, total)) for correct, total in classes]
    mean = math.fsum(value for value, _, _ in ends) / len(ends)
    low = mean - math.hypot(*(value - least for value, least, _ in ends)) / len(ends)
    return mean, low, mean + math.hypot(*(most - value for value, _, most in ends)) / len(ends)


def _middle(values: NDArray[np.float64], confidence: float) -> tuple[float, float]:
    """The central ``confidence`` of the values, by quantiles."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
