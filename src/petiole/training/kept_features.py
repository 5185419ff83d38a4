"""Features that were computed, kept on the disk as they come: a process that was killed does not compute them again."""

import time
from collections.abc import Callable, Iterable, Iterator

import torch

import petiole
from petiole.rundir import digest
from petiole.training import checkpoint
from petiole.training.checkpoint import Checkpoint

KEYS = ("rows", "before", "seconds")
Compute = Callable[[int], Iterable[torch.Tensor]]
"""Gives the features after so many rows, in batches ``(n, F)``, the same ones each time."""


def kept(compute: Compute, where: Checkpoint) -> Iterator[torch.Tensor]:
    """All features of ``compute``; those that an earlier process has kept are read.

    Each part is a file with the number of rows before it: what does not go on where the parts before end is not taken.

    Raises:
        UserError: the disk is full, or cannot be written.
    """
    stem = digest([where.name, where.basis, torch.__version__, petiole.__version__])
    done, count, seconds = 0, 0, 0.0
    while state := where.read(where.directory / f"{stem}-{count}.pt", KEYS):
        if state["before"] != done:
            break
        yield state["rows"]
        done, count, seconds = done + len(state["rows"]), count + 1, seconds + state["seconds"]
    if done:
        where.earlier.append(seconds)
        where.say(f"{where.name}: goes on after {done:,} views")
    fresh: list[torch.Tensor] = []
    began = time.perf_counter()

    def keep() -> None:
        nonlocal done, count, began, fresh
        rows = torch.cat(fresh)
        content = {"rows": rows, "before": done, "seconds": time.perf_counter() - began}
        where.write(where.directory / f"{stem}-{count}.pt", content)
        done, count, began, fresh = done + len(rows), count + 1, time.perf_counter(), []

    for part in compute(done):
        fresh.append(part.clone())
        yield part
        if time.perf_counter() - began >= checkpoint.EVERY_S:
            keep()
    if fresh and count:  # short ones cost nothing
        keep()
