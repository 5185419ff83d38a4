"""Timing several networks fairly: in rounds A B C A B C ..., so that a drift of the machine hits all.

In each round every network gets one block of calls. The first calls of a block are not timed: they bring
weights back into the caches, and wait until the threads of the network before have gone to sleep. A fast
network's blocks hold more calls than a slow one's, so that all are done after the same number of rounds, over
the same stretch of time; :func:`petiole.stats.median_ratio_interval` builds on that.
"""

import gc
import math
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

import numpy as np

from petiole.records import Latency

Call = Callable[[], object]
K = TypeVar("K", bound=Hashable)
Clock = Callable[[], int]
"""A monotonic clock in nanoseconds."""


def measure(
    calls: Mapping[K, Call],
    *,
    min_samples: int = 200,
    min_seconds: float = 1.0,
    rounds: int = 20,
    warmup_calls: int = 5,
    settle_ms: float = 5.0,
    progress: Callable[[int, int], object] | None = None,
    clock: Clock = time.perf_counter_ns,
) -> dict[K, list[float]]:
    """Raw timings of each call in ms, in order: at least ``min_samples``, adding up to ``min_seconds``.

    Every call is made ``warmup_calls`` times first, and for ``settle_ms``. Then come ``rounds`` rounds; in each, a
    network's block goes on until it has its share of both, so that all end in the same round. A block starts with
    untimed calls: at least one, until ``settle_ms`` have passed. Python's garbage collector rests meanwhile.

    ``progress(round, rounds)`` is called after each round.
    """
    if min(min_samples, rounds, warmup_calls) < 1:
        raise ValueError("min_samples, rounds and warmup_calls must be at least 1")
    raw_ms: dict[K, list[float]] = {name: [] for name in calls}
    spent_ms = dict.fromkeys(calls, 0.0)
    with _no_garbage_collection():
        for call in calls.values():
            _repeat(call, warmup_calls, settle_ms, clock)
        for done in range(1, rounds + 1):
            samples, until_ms = math.ceil(min_samples * done / rounds), min_seconds * 1000 * done / rounds
            for name, call in calls.items():
                _repeat(call, 1, settle_ms, clock)
                while len(raw_ms[name]) < samples or spent_ms[name] < until_ms:
                    raw_ms[name].append(_timed_ms(call, clock))
                    spent_ms[name] += raw_ms[name][-1]
            if progress is not None:
                progress(done, rounds)
    return raw_ms


def summarize(
    raw_ms: Sequence[float],
    *,
    runtime: str,
    batch: int,
    threads: int,
    raw_file: str | None = None,
    others_share: float | None = None,
) -> Latency:
    """Raw timings as a record: 50th and 90th percentile (as MLPerf reports), quartiles for the spread.

    Between two timings the percentile is interpolated linearly. ``others_share`` is what
    ``petiole.bench.load`` says of the time in which they were taken.

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
        others_share=others_share,
    )


def _timed_ms(call: Call, clock: Clock) -> float:
    start = clock()
    call()
    return (clock() - start) / 1e6


def _repeat(call: Call, calls: int, settle_ms: float, clock: Clock) -> None:
    """Untimed calls: at least so many, until ``settle_ms`` have passed."""
    start, done = clock(), 0
    while done < calls or (clock() - start) / 1e6 < settle_ms:
        call()
        done += 1


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
