"""Where the time goes: operators of one forward pass by their own CPU time, by the PyTorch profiler."""

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from petiole.records import Operator

CHATTER = re.compile(r"^(USDT:|INFO:|.*gpuGetDeviceCount failed)")
"""What the profiler's native part writes to stderr at every start and stop, also where there is no GPU."""


def profile(
    call: Callable[[], object], *, runs: int = 5, top: int = 8, warmup_runs: int = 3
) -> tuple[list[Operator], float]:
    """The ``top`` most expensive operators over ``runs`` calls, and the CPU time of all per call, in ms.

    An operator's own time leaves out the operators that it calls, so that the times of all add up to the
    total. ``Operator.calls`` and ``Operator.self_cpu_ms`` are sums over all ``runs``. The profiler itself
    costs time: these figures compare operators with each other, and :mod:`petiole.bench.latency` measures
    latency.
    """
    if runs < 1:
        raise ValueError("runs must be at least 1")
    profiler = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU])
    with torch.inference_mode():
        for _ in range(warmup_runs):
            call()
        with _without_chatter():
            profiler.start()
        try:
            for _ in range(runs):
                call()
        finally:
            with _without_chatter():
                profiler.stop()
    operators = [
        Operator(name=event.key, calls=event.count, self_cpu_ms=event.self_cpu_time_total / 1000)
        for event in profiler.key_averages()
    ]
    operators.sort(key=lambda operator: operator.self_cpu_ms, reverse=True)
    return operators[:top], sum(operator.self_cpu_ms for operator in operators) / runs


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
