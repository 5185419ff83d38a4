"""Two networks on the same pictures: who calls which of them rightly, and what that shows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from petiole import stats

Change = Literal["up", "down", "unclear"]
"""What is unclear is never called a gain, a loss, or a proof that two networks are equal."""

SIGNIFICANT = 0.05
"""A paired test with a p-value below this tells two networks apart."""


@dataclass(frozen=True, kw_only=True)
class Flips:
    """Test pictures that only ``against`` called rightly (``lost``), and only the variant (``gained``).

    With several seeds both are sums over the seeds, ``p`` is the exact McNemar test of their means (to whole pictures,
    towards no difference), and ``difference`` (a fraction) is the mean over the seeds. Its 95% ``interval`` is Tango's
    (of the mean flips); with several seeds it covers Student's t over them too. ``change`` is the test's verdict: the
    interval may leave out 0 where the exact test, which is the stricter one, does not yet show a difference. ``seeds``
    are lost and gained of each seed, of ``total`` pictures.
    """

    against: str
    lost: int
    gained: int
    p: float
    difference: float
    change: Change
    seeds: tuple[tuple[int, int], ...]
    total: int

    @property
    def interval(self) -> tuple[float, float]:
        """95% interval of the difference."""
        count = len(self.seeds)
        low, high = stats.paired_difference(self.lost / count, self.gained / count, self.total)
        _, least, most = stats.mean_t_interval([(gained - lost) / self.total for lost, gained in self.seeds])
        if least is None or most is None:
            return low, high
        return max(-1.0, min(low, least)), min(1.0, max(high, most))


def paired(against: str, flips: Sequence[tuple[int, int]], total: int) -> Flips:
    """The paired comparison of two networks on the same ``total`` pictures: lost and gained, of each seed."""
    lost, gained = (sum(each) for each in zip(*flips, strict=True))
    count = len(flips)
    fewer, more = sorted((lost, gained))
    p = stats.mcnemar_exact(math.ceil(fewer / count), max(math.ceil(fewer / count), more // count))  # never too small
    mean, least, most = stats.mean_t_interval([(won - gone) / total for gone, won in flips])
    shown = p < SIGNIFICANT and (least is None or most is None or least > 0 or most < 0)
    change: Change = "unclear" if not shown or mean == 0 else "up" if mean > 0 else "down"
    return Flips(
        against=against, lost=lost, gained=gained, p=p, difference=mean, change=change, seeds=tuple(flips), total=total
    )  # fmt: skip
