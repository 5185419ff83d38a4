"""Where the time goes: operators of one forward pass by their own CPU time, by the PyTorch profiler."""

import os
import re
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from petiole.records import Operator

CHATTER = re.compile(r"^(USDT:|INFO:|.*gpuGetDeviceCount failed)")
"""What the profiler's native part writes to stderr at every start and stop, also where there is no GPU."""


def profile(
    calls: Mapping[str, Callable[[], object]], *, rounds: int = 5, top: int = 8, warmup_calls: int = 3
) -> dict[str, tuple[list[Operator], float]]:
    """For each call the ``top`` most expensive operators, and the CPU time of a run, in ms.

    The calls take turns, so that a drift of the machine hits all alike; the time is the median over ``rounds`` runs. An
    operator's own time leaves out the operators that it calls, so that those of all add up to a run's.
    ``Operator.calls`` and ``Operator.self_cpu_ms`` are of one run, the mean over the rounds. The profiler itself costs
    time: these figures compare operators with each other, and :mod:`petiole.bench.latency` measures latency.
    """
    if rounds < 1:
        raise ValueError("rounds must be at least 1")
    counts: dict[str, Counter[str]] = {key: Counter() for key in calls}
    times_ms: dict[str, Counter[str]] = {key: Counter() for key in calls}
    totals_ms: dict[str, list[float]] = {key: [] for key in calls}
    with torch.inference_mode():
        for _ in range(warmup_calls):
            for call in calls.values():
                call()
        for _ in range(rounds):
            for key, call in calls.items():
                run_ms = 0.0
                for event in _events(call):
                    counts[key][event.key] += event.count
                    times_ms[key][event.key] += event.self_cpu_time_total / 1000
                    run_ms += event.self_cpu_time_total / 1000
                totals_ms[key].append(run_ms)
    return {
        key: (
            [
                Operator(name=name, calls=round(counts[key][name] / rounds), self_cpu_ms=ms / rounds)
                for name, ms in found.most_common(top)
            ],
            statistics.median(totals_ms[key]),
        )
        for key, found in times_ms.items()
    }


def _events(call: Callable[[], object]) -> list[Any]:
    """One run's operators."""
    profiler = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU])
    with _without_chatter():
        profiler.start()
    try:
        call()
    finally:
        with _without_chatter():
            profiler.stop()
    return list(profiler.key_averages())


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Hold back what native code writes to stderr, then pass on every line that is not ``CHATTER``.

    (Its own switch, ``KINETO_LOG_LEVEL``, is read when torch is imported, and would hide real errors too.)
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            held.seek(0)
            for line in held:
                if not CHATTER.match(line.decode(errors="replace")):
                    os.write(2, line)
