"""Where the labels beside a chart stand: apart from each other, near what they name, with lines that do not cross."""

import math
from collections.abc import Sequence


def spread_out(wanted: Sequence[float], least: float, highest: float) -> list[float]:
    """Positions in ascending order, near those ``wanted`` (ascending), at least ``least`` apart and in 0..``highest``
    (as far as they fit).

    >>> spread_out([5.0, 6.0, 30.0], 10.0, 40.0)
    [0.5, 10.5, 30.0]
    """
    blocks: list[tuple[float, int]] = []  # the sum of the wanted positions less their offsets, and their number
    for position in wanted:
        blocks.append((position, 1))
        while len(blocks) > 1 and _start(*blocks[-1], least, highest) < _end(*blocks[-2], least, highest):
            (total, count), (later, more) = blocks[-2:]
            blocks[-2:] = [(total + later - more * count * least, count + more)]
    return [_start(*block, least, highest) + at * least for block in blocks for at in range(block[1])]


def _start(total: float, count: int, least: float, highest: float) -> float:
    """Where a block of labels begins: at the mean of what they want, within the picture."""
    return max(0.0, min(total / count, highest - (count - 1) * least))


def _end(total: float, count: int, least: float, highest: float) -> float:
    return _start(total, count, least, highest) + count * least


def without_crossings(spots: Sequence[tuple[float, float]], free: Sequence[float], across: float) -> list[float]:
    """For each spot one of the ``free`` heights of labels, which all stand ``across``: those whose lines are shortest
    together. Of two lines that cross, swapping the ends makes a shorter pair; so none do.

    >>> without_crossings([(0.0, 0.0), (9.0, 1.0)], [0.0, 10.0], 10.0)
    [10.0, 0.0]
    """
    from scipy.optimize import linear_sum_assignment  # only where a chart is drawn

    lengths = [[math.hypot(across - x, place - y) for place in free] for x, y in spots]
    return [free[at] for at in linear_sum_assignment(lengths)[1]]
