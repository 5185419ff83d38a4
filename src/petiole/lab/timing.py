"""Latency of all variants of a run, each as it is deployed; of single pictures in interleaved rounds of all."""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import torch

from petiole.bench.latency import measure, summarize
from petiole.bench.load import Load
from petiole.bench.profile import Profile, profile
from petiole.deploy import runtimes
from petiole.deploy.runtime import Runtime
from petiole.deploy.runtime_torch import TorchRuntime
from petiole.evidence import REFUSED
from petiole.lab.bench import Bench
from petiole.latency_records import DEPLOYED
from petiole.progress import bar
from petiole.quantization import pt2e
from petiole.records import Latency, TimeRatio, Variant
from petiole.stats import median_ratio_interval
from petiole.training.memory import release_freed_memory
from petiole.variants import Task
from petiole.writing import write_atomic

TORCH_EAGER = ("CNNOptimized", "CNNPrunedF", "CNNPrunedG", "CNNPrunedG-structured")
"""Photo networks whose eager float time is measured beside the runtimes': the reference, and what masks do to it."""
FUSED = "CNNOptimized-fused"
PROFILED = (
    "CNNOptimized", "CNNPrunedF", "CNNPrunedFO", "CNNPrunedG", "CNNPrunedGO", "CNNPrunedGO-structured", FUSED,
)  # fmt: skip
"""Float photo networks that the PyTorch profiler looks at: the reference, what masks do to it, what fewer channels do,
and what folding BatchNorm does. It looks at LeNet too, and at what the eager engine made int8."""
RAW_FILE = "latency/batch{batch}.json"
BATCH_IMAGES = 32
"""The larger batch that is timed beside single pictures."""
BATCH_ROUNDS = 3
COMPARED = ((DEPLOYED, DEPLOYED), (DEPLOYED, "torch"), ("onnxruntime", "onnxruntime"), ("torch", "torch"))
"""Runtime of a network, and of the one that it descends from."""
TWINS = {f"CNNPrunedGO-structured-{how}-int8": f"CNNOptimized-{how}-int8" for how in ("static", "qat")}
"""Narrowed networks in int8, and the whole ones in int8: what fewer channels still bring there."""
LEAST_ROUNDS = 10
"""Fewer do not tell how well a ratio of times is known."""

Key = tuple[str, str]
"""Variant key and runtime."""
RawMs = dict[Key, list[float]]


def run(bench: Bench, variants: Sequence[Variant]) -> dict[str, list[Latency]]:
    """Latency of each variant on each runtime, by variant key. Raw samples go to ``latency/batch<N>.json``.

    Single pictures are timed in interleaved rounds of all networks. With ``BATCH_IMAGES`` pictures these would not fit
    into memory together: one variant comes after the other, its files' runtimes interleaved (eager torch would
    take more than a gigabyte for it).
    """
    result: dict[str, list[Latency]] = {variant.key: [] for variant in variants}
    takes = {1: _singles, **({BATCH_IMAGES: _batches} if bench.config.effort.batch_samples else {})}
    for batch, take in takes.items():
        load = Load()
        raw_ms = take(bench, variants)
        others = load.others_share()
        raw_file = RAW_FILE.format(batch=batch)
        content = {f"{key} {runtime}": [round(ms, 5) for ms in row] for (key, runtime), row in raw_ms.items()}
        write_atomic(bench.line.rundir.path / raw_file, json.dumps(content))
        for (key, name), row in raw_ms.items():
            one = summarize(
                row, runtime=name, batch=batch, threads=bench.line.threads, raw_file=raw_file, others_share=others
            )
            result[key].append(one)
    return result


ORIGINS = {"photos": "CNNOptimized", "digits": "LeNet"}
"""The float networks that the others descend from."""


def ratios(run_dir: Path, variants: Sequence[Variant], *, rounds: int, seed: int) -> dict[str, list[TimeRatio]]:
    """How many times as fast each variant is, by variant key: as the network of :data:`ORIGINS` that it descends from,
    on each runtime that both were timed on, and as deployed against eager PyTorch; and as its twin of :data:`TWINS`.
    From the raw timings in so many ``rounds`` of all (fewer than ``LEAST_ROUNDS``, or fewer calls, give none): of
    single pictures, and of digits also in batches. ``seed`` is the bootstrap's.
    """
    if rounds < LEAST_ROUNDS:
        return {}
    found: dict[str, list[TimeRatio]] = {}
    digits = [variant for variant in variants if variant.dataset == "digits"]
    for batch, rows in ((1, variants), (BATCH_IMAGES, digits)):
        file = run_dir / RAW_FILE.format(batch=batch)
        raw_ms = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        for row in rows:
            for origin in _others(row, variants):
                for one, other in COMPARED:
                    own, its = raw_ms.get(f"{row.key} {one}", []), raw_ms.get(f"{origin.key} {other}", [])
                    if min(len(own), len(its)) < LEAST_ROUNDS:
                        continue
                    ratio, low, high = median_ratio_interval(its, own, rounds=rounds, seed=seed)
                    measured = TimeRatio(
                        runtime=one, against=origin.name, against_runtime=other, batch=batch, ratio=ratio, low=low,
                        high=high,
                    )  # fmt: skip
                    found.setdefault(row.key, []).append(measured)
    return found


def _others(row: Variant, variants: Sequence[Variant]) -> Iterator[Variant]:
    """Those that a variant's time is compared with, of the same seed."""
    rows = {(each.name, each.engine, each.seed): each for each in variants}
    origin = rows.get((ORIGINS[row.dataset], "torch", row.seed))
    if origin is not None and _comes_from(row, origin, variants):
        yield origin
    twin = rows.get((TWINS.get(row.name, ""), row.engine, row.seed))
    if twin is not None:
        yield twin


def _comes_from(row: Variant, origin: Variant, variants: Sequence[Variant]) -> bool:
    """Whether ``origin`` is an ancestor: both do the same job then, on pictures of one size."""
    parents = {each.name: each.parent for each in variants}
    name = row.parent
    while name is not None and name != origin.name:
        name = parents.get(name)
    return name == origin.name


def profiles(bench: Bench, variants: Sequence[Variant]) -> dict[str, Profile]:
    """Operators and CPU time of one picture in eager torch by the profiler, by variant key; in rounds of all networks
    for photos, then of all for digits."""
    calls: dict[str, dict[str, Callable[[], object]]] = {name: {} for name in ORIGINS}
    for variant in variants:
        network = _profiled(bench, variant)
        if network is not None:
            image = _task(bench, variant).inputs[:1].contiguous()
            calls[variant.dataset][variant.key] = partial(network, image)
    rounds = bench.config.effort.profile_rounds
    return {key: found for each in calls.values() for key, found in profile(each, rounds=rounds).items()}


def _profiled(bench: Bench, variant: Variant) -> torch.nn.Module | None:
    if variant.engine == "torch" and variant.name in PROFILED and variant.name != FUSED:
        return bench.photo_network(variant.name, variant.seed)
    is_looked_at = variant.engine == "eager" or variant.name in (FUSED, "LeNet")
    return _eager_network(bench, variant) if is_looked_at else None


def _singles(bench: Bench, variants: Sequence[Variant]) -> RawMs:
    effort = bench.config.effort
    calls: dict[Key, Callable[[], object]] = {}
    for variant in variants:
        image = _task(bench, variant).inputs[:1]
        opened = {**_of_file(bench, variant), **_in_torch(bench, variant)}
        calls |= {(variant.key, name): _call(runtime, image) for name, runtime in opened.items()}
    label = f"timing {len(calls)} networks"
    with bar(label, effort.latency_rounds, unit="round", say=bench.say, terminal=bench.progress) as tell:
        return measure(
            calls,
            min_samples=effort.latency_samples,
            min_seconds=effort.latency_seconds,
            rounds=effort.latency_rounds,
            progress=lambda done, _: tell(done, ""),
        )


def _batches(bench: Bench, variants: Sequence[Variant]) -> RawMs:
    """Networks for digits in rounds of all, those for photos one after the other."""
    effort = bench.config.effort
    raw_ms: RawMs = {}
    digits = [variant for variant in variants if variant.dataset == "digits"]
    together = [*([digits] if digits else []), *([one] for one in variants if one.dataset != "digits")]
    label = f"timing batches of {BATCH_IMAGES}"
    with bar(label, len(together), unit="part", say=bench.say, terminal=bench.progress) as tell:
        for index, some in enumerate(together, start=1):
            release_freed_memory()
            calls = {
                (variant.key, name): _call(runtime, _batch(_task(bench, variant)))
                for variant in some
                for name, runtime in _of_file(bench, variant).items()
            }
            raw_ms |= measure(
                calls, min_samples=effort.batch_samples, min_seconds=effort.batch_seconds,
                rounds=effort.latency_rounds if some is digits else BATCH_ROUNDS, warmup_calls=1,
            )  # fmt: skip
            tell(index, some[0].name)
    return raw_ms


def _batch(task: Task) -> torch.Tensor:
    """``(BATCH_IMAGES, C, H, W)``; small test splits are gone through again."""
    return task.inputs[torch.arange(BATCH_IMAGES) % len(task.inputs)]


def _call(runtime: Runtime, inputs: torch.Tensor) -> Callable[[], object]:
    array = inputs.contiguous().numpy()
    return lambda: runtime.run(array)


def _of_file(bench: Bench, variant: Variant) -> dict[str, Runtime]:
    """A variant's file on each runtime that agrees with the network."""
    if not variant.artifact:
        return {}
    path = bench.line.rundir.path / variant.artifact / "model.onnx"
    agreeing = [name for name in runtimes.OF_FILES if f"{REFUSED}{name}" not in variant.gates]
    return {name: runtimes.of_file(name, path, threads=bench.line.threads) for name in agreeing}


def _in_torch(bench: Bench, variant: Variant) -> dict[str, Runtime]:
    """A variant in eager torch, where that is the point."""
    network = _eager_network(bench, variant)
    return {} if network is None else {"torch": TorchRuntime(network, threads=bench.line.threads)}


def _eager_network(bench: Bench, variant: Variant) -> torch.nn.Module | None:
    if variant.engine == "eager":
        return bench.eager_int8(variant)
    if variant.engine != "torch":
        return None
    if variant.name == "LeNet":
        return bench.lenet("LeNet", variant.seed)
    if variant.name in TORCH_EAGER:
        return bench.photo_network(variant.name, variant.seed)
    if variant.name == FUSED:
        network = bench.photo_network("CNNOptimized", variant.seed)
        return pt2e.fused_float(pt2e.export_graph(network, bench.backbone.preprocessing.input_shape))
    return None


def _task(bench: Bench, variant: Variant) -> Task:
    if variant.dataset == "digits":
        return bench.digit_task()
    return bench.scratch_task() if variant.name == "CNNScratch" else bench.photo_task()
