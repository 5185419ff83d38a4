"""Latency of all variants of a run, measured together in interleaved rounds, each as it is deployed."""

import json
from collections.abc import Callable, Sequence

import torch

from petiole.bench.latency import measure, summarize
from petiole.deploy import runtimes
from petiole.deploy.runtime import Runtime
from petiole.deploy.runtime_torch import TorchRuntime
from petiole.lab.bench import Bench
from petiole.progress import bar
from petiole.records import Latency, Variant
from petiole.rundir import write_atomic
from petiole.variants import Task

TORCH_EAGER = ("CNNOptimized", "CNNPrunedF", "CNNPrunedG")
"""Photo networks whose eager float time is measured beside the runtimes': the reference, and what masks do to it."""
BATCH_IMAGES = 32
"""The larger batch that is timed beside single pictures."""

Key = tuple[str, str]
"""Variant key and runtime."""


def run(bench: Bench, variants: Sequence[Variant]) -> dict[str, list[Latency]]:
    """Latency of each variant on each runtime, by variant key. Raw samples go to ``latency/batch<N>.json``."""
    effort = bench.config.effort
    opened = {key: runtime for variant in variants for key, runtime in _runtimes(bench, variant).items()}
    inputs = {variant.key: _task(bench, variant).inputs for variant in variants}
    result: dict[str, list[Latency]] = {variant.key: [] for variant in variants}
    for batch, samples, seconds in (
        (1, effort.latency_samples, effort.latency_seconds),
        (BATCH_IMAGES, effort.batch_samples, effort.batch_seconds),
    ):
        calls = {
            key: _call(runtime, inputs[key[0]][:batch])
            for key, runtime in opened.items()
            if batch == 1 or runtime.name != "torch"
        }
        raw_ms = _measure(bench, calls, batch, samples, seconds)
        raw_file = f"latency/batch{batch}.json"
        content = {f"{key} {runtime}": [round(ms, 5) for ms in row] for (key, runtime), row in raw_ms.items()}
        write_atomic(bench.line.rundir.path / raw_file, json.dumps(content))
        for (key, name), row in raw_ms.items():
            threads = bench.line.threads
            result[key].append(summarize(row, runtime=name, batch=batch, threads=threads, raw_file=raw_file))
    return result


def _measure(
    bench: Bench, calls: dict[Key, Callable[[], object]], batch: int, samples: int, seconds: float
) -> dict[Key, list[float]]:
    rounds = min(bench.config.effort.latency_rounds, samples)
    names = {f"{key} {runtime}": (key, runtime) for key, runtime in calls}
    label = f"timing {len(calls)} networks, batch {batch}"
    with bar(label, rounds, unit="round", say=bench.say, terminal=bench.progress) as tell:
        raw_ms = measure(
            {name: calls[pair] for name, pair in names.items()},
            min_samples=samples,
            min_seconds=seconds,
            rounds=rounds,
            progress=lambda done, _: tell(done, ""),
        )
    return {names[name]: row for name, row in raw_ms.items()}


def _call(runtime: Runtime, inputs: torch.Tensor) -> Callable[[], object]:
    array = inputs.contiguous().numpy()
    return lambda: runtime.run(array)


def _runtimes(bench: Bench, variant: Variant) -> dict[Key, Runtime]:
    """What to time for a variant: its file on each runtime, and eager torch where that is the point."""
    threads = bench.line.threads
    opened: dict[Key, Runtime] = {}
    if variant.artifact:
        path = bench.line.rundir.path / variant.artifact / "model.onnx"
        opened = {(variant.key, name): runtimes.of_file(name, path, threads=threads) for name in runtimes.OF_FILES}
    network = _eager_network(bench, variant)
    if network is not None:
        opened[variant.key, "torch"] = TorchRuntime(network, threads=threads)
    return opened


def _eager_network(bench: Bench, variant: Variant) -> torch.nn.Module | None:
    if variant.engine == "eager":
        return bench.eager_int8(variant)
    if variant.engine != "torch":
        return None
    if variant.name == "LeNet":
        return bench.lenet("LeNet", variant.seed)
    if variant.name in TORCH_EAGER:
        return bench.photo_network(variant.name, variant.seed)
    return None


def _task(bench: Bench, variant: Variant) -> Task:
    if variant.dataset == "digits":
        return bench.digit_task()
    return bench.scratch_task() if variant.name == "CNNScratch" else bench.photo_task()
