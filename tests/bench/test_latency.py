"""Interleaving, counts and percentiles, with a clock that the calls themselves move: no real time passes."""

import gc
from collections.abc import Callable

import numpy as np
import pytest

from petiole.bench.latency import measure, summarize


class World:
    """A clock in ns, and calls that move it on by their duration and write down their name."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.log: list[str] = []

    def clock(self) -> int:
        return self.now_ns

    def call(self, name: str, *durations_ms: float) -> Callable[[], None]:
        """A call that takes the durations one after the other, and the last one ever after."""
        left = list(durations_ms)

        def run() -> None:
            self.log.append(name)
            self.now_ns += round((left.pop(0) if len(left) > 1 else left[0]) * 1e6)

        return run


def test_rounds_are_interleaved_and_the_first_call_of_each_block_is_not_timed() -> None:
    world = World()
    calls = {"a": world.call("a", 10), "b": world.call("b", 10)}
    raw_ms = measure(calls, min_samples=4, min_seconds=0, rounds=2, warmup_calls=3, settle_ms=5, clock=world.clock)
    # warm-up, then two rounds: one settling call and two timed ones of each
    assert "".join(world.log) == "aaabbb" + "aaabbb" * 2
    assert raw_ms == {"a": [10.0] * 4, "b": [10.0] * 4}


def test_a_fast_call_settles_longer_and_gets_larger_blocks_in_the_same_rounds() -> None:
    world = World()
    calls = {"slow": world.call("S", 20), "fast": world.call("f", 2)}
    raw_ms = measure(calls, min_samples=2, min_seconds=0.04, rounds=2, warmup_calls=1, settle_ms=5, clock=world.clock)
    # fast warms up for 6 ms, and needs 40 ms / 2 ms = 20 timings, 10 in each round, after 3 settling calls (6 ms);
    # slow needs 2 timings of 20 ms
    assert "".join(world.log) == "Sfff" + ("SS" + "f" * 13) * 2
    assert {name: len(row) for name, row in raw_ms.items()} == {"slow": 2, "fast": 20}
    assert sum(raw_ms["fast"]) == pytest.approx(40)


def test_a_call_that_gets_faster_still_has_its_seconds_after_the_last_round() -> None:
    world = World()
    # slow while warming up and in the settling call, ten times as fast after that
    calls = {"a": world.call("a", 10, 10, 1), "b": world.call("b", 1)}
    seen: list[tuple[int, int]] = []
    raw_ms = measure(
        calls,
        min_samples=2,
        min_seconds=0.02,
        rounds=2,
        warmup_calls=1,
        settle_ms=0,
        progress=lambda done, rounds: seen.append((done, rounds)),
        clock=world.clock,
    )
    # 20 ms of 1 ms each, half of them in each of the two rounds
    assert "".join(world.log) == "ab" + ("a" * 11 + "b" * 11) * 2
    assert {name: len(row) for name, row in raw_ms.items()} == {"a": 20, "b": 20}
    assert seen == [(1, 2), (2, 2)]


def test_raw_timings_keep_their_order() -> None:
    world = World()
    durations = [5.0, 9.0, 2.0, 3.0, 9.0, 4.0, 5.0]  # warm-up, settle, two timed, settle, two timed
    raw_ms = measure(
        {"a": world.call("a", *durations)},
        min_samples=4,
        min_seconds=0,
        rounds=2,
        warmup_calls=1,
        settle_ms=5,
        clock=world.clock,
    )
    assert raw_ms == {"a": [2.0, 3.0, 4.0, 5.0]}


def test_garbage_collection_rests_and_comes_back_even_after_an_error() -> None:
    states: list[bool] = []

    def failing() -> None:
        states.append(gc.isenabled())
        raise RuntimeError("no")

    assert gc.isenabled()
    with pytest.raises(RuntimeError, match="no"):
        measure({"a": failing})
    assert states == [False]
    assert gc.isenabled()


@pytest.mark.parametrize("wrong", [{"min_samples": 0}, {"rounds": 0}, {"warmup_calls": 0}])
def test_counts_below_one_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        measure({"a": lambda: None}, **wrong)  # type: ignore[arg-type]


def test_the_real_clock_measures_at_least_what_a_call_takes() -> None:
    def busy() -> None:
        np.sort(np.arange(20_000)[::-1])

    def twice() -> None:
        busy()
        busy()

    raw_ms = measure({"busy": busy, "twice": twice}, min_samples=40, min_seconds=0.02)
    assert min(len(row) for row in raw_ms.values()) >= 40
    assert np.median(raw_ms["twice"]) > 1.3 * np.median(raw_ms["busy"])


def test_percentiles_by_hand() -> None:
    latency = summarize([5.0, 1.0, 4.0, 2.0, 3.0], runtime="torch", batch=8, threads=2, raw_file="raw/LeNet.json")
    # sorted 1 2 3 4 5; position q * 4: 25% -> 2, 50% -> 3, 75% -> 4, 90% -> 3.6 -> 4 + 0.6
    assert (latency.p25_ms, latency.p50_ms, latency.p75_ms) == (2.0, 3.0, 4.0)
    assert latency.p90_ms == pytest.approx(4.6)
    assert (latency.samples, latency.batch, latency.threads) == (5, 8, 2)
    assert (latency.runtime, latency.raw_file) == ("torch", "raw/LeNet.json")


def test_nothing_to_summarize() -> None:
    with pytest.raises(ValueError, match="no timings"):
        summarize([], runtime="torch", batch=1, threads=1)
