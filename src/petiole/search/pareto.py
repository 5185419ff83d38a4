"""Which candidates no other one beats in everything."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def non_dominated(rows: Sequence[T], costs: Sequence[tuple[float, ...]]) -> list[T]:
    """The rows that no other row dominates, in their order; equal rows stay together.

    ``costs[i]`` is what row ``i`` costs in each respect, less being better. One row dominates another if it costs no
    more in any respect and less in one (Pareto 1896).

    >>> non_dominated(["small", "fast", "neither"], [(1.0, 3.0), (3.0, 1.0), (3.0, 3.0)])
    ['small', 'fast']
    """
    return [
        row
        for row, mine in zip(rows, costs, strict=True)
        if not any(all(a <= b for a, b in zip(other, mine, strict=True)) and other != mine for other in costs)
    ]
