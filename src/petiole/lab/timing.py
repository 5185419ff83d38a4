"""Latency of all variants of a run, measured together in interleaved rounds, each as it is deployed."""

import json
from collections.abc import Callable, Sequence

import torch

from petiole.bench.latency import measure, summarize
from petiole.deploy.runtimes import OpenVinoRuntime
from petiole.lab.bench import Bench
from petiole.progress import bar
from petiole.records import Latency, Variant
from petiole.rundir import write_atomic
from petiole.variants import Task

TORCH_EAGER = ("CNNOptimized", "CNNPrunedF", "CNNPrunedG")
"""Photo networks whose eager float time is measured beside the runtime's: the reference, and what masks do to it."""

Key = tuple[str, str]
"""Variant key and runtime."""


def run(bench: Bench, variants: Sequence[Variant]) -> dict[str, list[Latency]]:
    """Latency at batch 1 of each variant, by variant key. Raw samples go to ``latency/batch1.json``."""
    threads = bench.line.threads
    calls = {key: call for variant in variants for key, call in _calls(bench, variant).items()}
    bench.say(f"timing {len(calls)} networks in interleaved rounds")
    raw_ms = _measure(bench, calls)
    raw_file = "latency/batch1.json"
    content = {f"{key} {runtime}": [round(ms, 5) for ms in row[:5000]] for (key, runtime), row in raw_ms.items()}
    write_atomic(bench.line.rundir.path / raw_file, json.dumps(content))
    result: dict[str, list[Latency]] = {variant.key: [] for variant in variants}
    for (key, runtime), row in raw_ms.items():
        result[key].append(summarize(row, runtime=runtime, batch=1, threads=threads, raw_file=raw_file))
    return result


def _measure(bench: Bench, calls: dict[Key, Callable[[], object]]) -> dict[Key, list[float]]:
    effort = bench.config.effort
    names = {f"{key} {runtime}": (key, runtime) for key, runtime in calls}
    with bar("timing", effort.latency_rounds, unit="round", say=bench.say, terminal=bench.progress) as tell:
        raw_ms = measure(
            {name: calls[pair] for name, pair in names.items()},
            min_samples=effort.latency_samples,
            min_seconds=effort.latency_seconds,
            rounds=effort.latency_rounds,
            progress=lambda done, _: tell(done, ""),
        )
    return {names[name]: row for name, row in raw_ms.items()}


def _calls(bench: Bench, variant: Variant) -> dict[Key, Callable[[], object]]:
    """What to time for a variant: its file on OpenVINO, and eager torch where that is the point."""
    calls: dict[Key, Callable[[], object]] = {}
    task = _task(bench, variant)
    image = task.inputs[:1].contiguous()
    path = bench.line.rundir.path / (variant.artifact or "") / "model.onnx"
    if variant.artifact and path.is_file():
        runtime = OpenVinoRuntime(path, threads=bench.line.threads)
        array = image.numpy()
        calls[variant.key, "openvino"] = lambda: runtime.run(array)
    network = _eager_network(bench, variant)
    if network is not None:
        calls[variant.key, "torch"] = _inference(network, image)
    return calls


def _inference(network: torch.nn.Module, image: torch.Tensor) -> Callable[[], object]:
    def call() -> object:
        with torch.inference_mode():
            return network(image)

    return call


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
