"""Was the machine busy with something else while networks were timed? The kernel's count of CPU time tells."""

import os
import time
from pathlib import Path

from petiole.processes import cores

BUSY, ALL = (0, 1, 2, 5, 6, 7), range(8)
"""Columns of a line of ``/proc/stat``: user, nice, system, idle, iowait, irq, softirq, steal (taken by the host)."""


class Load:
    """What other processes take from this one's cores from now on."""

    def __init__(self, stat: Path = Path("/proc/stat")) -> None:
        self._stat = stat
        self._before = self._seconds()

    def others_share(self) -> float | None:
        """The share 0..1 of the cores' time since then that other processes had; None where the kernel does not tell.

        Of 1 s, one core was busy for 0.6 s; if 0.25 s of these were this process's own, the share is 0.35.
        """
        busy, every, own = (now - before for now, before in zip(self._seconds(), self._before, strict=True))
        return min(1.0, max(0.0, (busy - own) / every)) if every > 0 else None

    def _seconds(self) -> tuple[float, float, float]:
        """CPU time: busy and all of this process's cores, and this process's own."""
        busy = every = 0
        mine = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(cores())
        names = {f"cpu{core}" for core in mine}
        for line in self._stat.read_text(encoding="ascii").splitlines() if self._stat.is_file() else ():
            name, *ticks = line.split()
            if name in names:
                busy += sum(int(ticks[column]) for column in BUSY)
                every += sum(int(ticks[column]) for column in ALL)
        per_second = os.sysconf("SC_CLK_TCK") if every else 1
        return busy / per_second, every / per_second, time.process_time()
