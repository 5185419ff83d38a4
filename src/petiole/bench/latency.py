"""Timing several networks fairly: in rounds A B C A B C ..., so that a drift of the machine hits all.

In each round every network gets one block of calls. The first calls of a block are not timed: they bring
weights back into the caches, and wait until the threads of the network before have gone to sleep. A fast
network's blocks hold more calls than a slow one's, so that all are done after the same number of rounds, over
the same stretch of time; :func:`petiole.stats.median_ratio_interval` builds on that.
"""

import gc
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np

from petiole.records import Latency

Call = Callable[[], object]
Clock = Callable[[], int]
"""A monotonic clock in nanoseconds."""


def measure(
    calls: Mapping[str, Call],
    *,
    min_samples: int = 200,
    min_seconds: float = 1.0,
    rounds: int = 20,
    warmup_calls: int = 5,
    settle_ms: float = 5.0,
    progress: Callable[[int, int], object] | None = None,
    clock: Clock = time.perf_counter_ns,
) -> dict[str, list[float]]:
    """Raw timings of each call in ms, in order: at least ``min_samples``, adding up to ``min_seconds``.

    Every call is made ``warmup_calls`` times first, and for ``settle_ms``; the fastest of these tells how many
    timings a block holds, so that ``rounds`` rounds suffice. If they did not, rounds go on until all have enough.
    A block starts with untimed calls: at least one, until ``settle_ms`` have passed. Python's garbage collector
    rests meanwhile.

    ``progress(round, rounds)`` is called after each round.
    """
    if min(min_samples, rounds, warmup_calls) < 1:
        raise ValueError("min_samples, rounds and warmup_calls must be at least 1")
    raw_ms: dict[str, list[float]] = {name: [] for name in calls}
    with _no_garbage_collection():
        block: dict[str, int] = {}
        for name, call in calls.items():
            fastest_ms = _warm_up(call, warmup_calls, settle_ms, clock)
            enough = max(min_samples, math.ceil(min_seconds * 1000 / max(fastest_ms, 1e-6)))
            block[name] = math.ceil(enough / rounds)
        done = 0
        while any(len(row) < min_samples or sum(row) < min_seconds * 1000 for row in raw_ms.values()):
            for name, call in calls.items():
                _settle(call, settle_ms, clock)
                raw_ms[name] += [_timed_ms(call, clock) for _ in range(block[name])]
            done += 1
            if progress is not None:
                progress(done, max(done, rounds))
    return raw_ms


def summarize(
    raw_ms: Sequence[float], *, runtime: str, batch: int, threads: int, raw_file: str | None = None
) -> Latency:
    """Raw timings as a record: 50th and 90th percentile (as MLPerf reports), quartiles for the spread.

    Between two timings the percentile is interpolated linearly.

    Raises:
        ValueError: no timings.
    """
    if not raw_ms:
        raise ValueError("no timings to summarize")
    p25, p50, p75, p90 = (float(value) for value in np.percentile(raw_ms, [25, 50, 75, 90]))
    return Latency(
        runtime=runtime,
        batch=batch,
        threads=threads,
        p25_ms=p25,
        p50_ms=p50,
        p75_ms=p75,
        p90_ms=p90,
        samples=len(raw_ms),
        raw_file=raw_file,
    )


def _timed_ms(call: Call, clock: Clock) -> float:
    start = clock()
    call()
    return (clock() - start) / 1e6


def _warm_up(call: Call, calls: int, settle_ms: float, clock: Clock) -> float:
    """The fastest of at least so many calls that take at least ``settle_ms`` together, in ms."""
    start, fastest_ms, done = clock(), math.inf, 0
    while done < calls or (clock() - start) / 1e6 < settle_ms:
        fastest_ms, done = min(fastest_ms, _timed_ms(call, clock)), done + 1
    return fastest_ms


def _settle(call: Call, settle_ms: float, clock: Clock) -> None:
    """Untimed calls: at least one, until ``settle_ms`` have passed."""
    start = clock()
    call()
    while (clock() - start) / 1e6 < settle_ms:
        call()


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
