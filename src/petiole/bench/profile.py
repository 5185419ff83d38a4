"""Where the time goes: operators of one forward pass by their own CPU time, by the PyTorch profiler."""

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from petiole.records import Operator

CHATTER = re.compile(r"^(USDT:|INFO:|.*gpuGetDeviceCount failed)")
"""What the profiler's native part writes to stderr at every start and stop, also where there is no GPU."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One network's ``calls`` under the profiler: the operators of the median call, those that took most first, the CPU
    time of that call, and the middle half of all calls (ms)."""

    operators: list[Operator]
    p50_ms: float
    p25_ms: float
    p75_ms: float
    calls: int


def profile(
    calls: Mapping[str, Callable[[], object]], *, rounds: int = 15, top: int = 8, warmup_calls: int = 3
) -> dict[str, Profile]:
    """The ``top`` most expensive operators of each call, and the CPU time of a whole call.

    The calls take turns, so that a drift of the machine hits all alike. The operators are those of the call whose time
    is the median of the ``rounds`` (of an even number the lower one of the middle two), so that they add up to it: an
    operator's own time leaves out the operators that it calls. The profiler itself costs time: these figures compare
    operators with each other, and :mod:`petiole.bench.latency` measures latency.
    """
    if rounds < 1:
        raise ValueError("rounds must be at least 1")
    runs: dict[str, list[list[Operator]]] = {key: [] for key in calls}
    with torch.inference_mode():
        for _ in range(warmup_calls):
            for call in calls.values():
                call()
        for _ in range(rounds):
            for key, call in calls.items():
                runs[key].append(_operators(call))
    return {key: _median_run(found, top) for key, found in runs.items()}


def _median_run(runs: list[list[Operator]], top: int) -> Profile:
    totals_ms = [sum(operator.self_cpu_ms for operator in run) for run in runs]
    p25 = float(np.percentile(totals_ms, 25, method="lower"))  # calls that were measured, as the median is
    p75 = float(np.percentile(totals_ms, 75, method="higher"))
    at = sorted(range(len(runs)), key=totals_ms.__getitem__)[(len(runs) - 1) // 2]
    most = sorted(runs[at], key=lambda operator: -operator.self_cpu_ms)[:top]
    return Profile(operators=most, p50_ms=totals_ms[at], p25_ms=p25, p75_ms=p75, calls=len(runs))


def _operators(call: Callable[[], object]) -> list[Operator]:
    """Those of one call."""
    return [
        Operator(name=event.key, calls=event.count, self_cpu_ms=event.self_cpu_time_total / 1000)
        for event in _events(call)
    ]


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
