"""How fast candidates are: each beside the reference in the same rounds, on the fastest runtime that it may use."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from petiole import stats
from petiole.bench.latency import measure, summarize
from petiole.bench.load import Load
from petiole.deploy import check, runtimes
from petiole.deployed import read
from petiole.records import Latency

QUICK = {"min_samples": 60, "min_seconds": 0.2, "rounds": 10}
FULL = {"min_samples": 512, "min_seconds": 1.0, "rounds": 32}


@dataclass(frozen=True, kw_only=True)
class Timed:
    """One picture's time on the fastest runtime, and how many times as fast as the reference that is, with its
    interval (None: it is the reference)."""

    latency: Latency
    speedup: tuple[float, float, float] | None


def time_artifacts(
    folders: Mapping[str, Path], *, reference: str, threads: int, seed: int, thorough: bool
) -> dict[str, Timed]:
    """Time the artifacts of ``folders`` together, by name; those refused on a runtime are not tried there."""
    calls = {}
    for name, folder in folders.items():
        deployed = read(folder)
        image = check.draw(deployed.card.preprocessing, [0])
        for runtime in runtimes.OF_FILES:
            if deployed.why_not(runtime) is None:
                opened = runtimes.of_file(runtime, deployed.model, threads=threads)
                calls[name, runtime] = functools.partial(opened.run, image)
    how = FULL if thorough else QUICK
    load = Load()
    raw_ms = measure(
        calls, min_samples=int(how["min_samples"]), min_seconds=how["min_seconds"], rounds=int(how["rounds"])
    )
    others = load.others_share()
    best = {
        name: min((float(np.median(row)), runtime) for (whose, runtime), row in raw_ms.items() if whose == name)[1]
        for name in folders
    }
    against = raw_ms[reference, best[reference]]
    return {
        name: Timed(
            latency=summarize(raw_ms[name, runtime], runtime=runtime, batch=1, threads=threads, others_share=others),
            speedup=None
            if name == reference
            else stats.median_ratio_interval(against, raw_ms[name, runtime], rounds=int(how["rounds"]), seed=seed),
        )
        for name, runtime in best.items()
    }
