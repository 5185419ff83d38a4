"""Which of several processes this one is, and how many cores it may use."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Threads for work that may never end (a file on a server that is gone): who leaves early does not wait for it."""
    made = ThreadPoolExecutor(max_workers=threads)
    try:
        yield made
    finally:
        made.shutdown(wait=False, cancel_futures=True)


def processes() -> int:
    """How many processes were started together, as ``accelerate launch`` does; it says to each which one it is."""
    return int(os.environ.get("WORLD_SIZE") or 1) if "RANK" in os.environ else 1


def rank() -> int:
    """The number of this process among them, from 0."""
    return int(os.environ.get("RANK") or 0)


def is_helper() -> bool:
    """Whether this process is not the first of several."""
    return processes() > 1 and rank() > 0


def own_cores(all_cores: int) -> int:
    """Of the cores of this machine, those for each of its processes."""
    return max(1, all_cores // int(os.environ.get("LOCAL_WORLD_SIZE") or 1))
