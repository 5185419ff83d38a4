"""The whole lab: data and weights, then chapter after chapter, then timing, answers and records. Only wiring."""

import os
import time
from collections.abc import Callable
from typing import Any

import torch

import petiole
from petiole.bench.machine import available_threads, describe, peak_memory_bytes
from petiole.data.digits import DigitData, load_digits
from petiole.data.folder import PhotoData, open_photos
from petiole.data.sources import hymenoptera
from petiole.errors import GateError
from petiole.lab import answers, demos, lenet, pruning, quantization, scratch, timing, transfer
from petiole.lab.bench import Bench, ChapterResult
from petiole.lab.config import LabConfig
from petiole.models import backbones
from petiole.models.weights import choose_backbone, find_weights
from petiole.progress import Say
from petiole.records import CurvePoint, Data, Failure, Latency, Results, Run, Stage, Variant, to_json
from petiole.rundir import RunDir, write_atomic
from petiole.training.fit import TrainingError
from petiole.training.memory import keep_freed_memory
from petiole.variants import AssemblyLine

CHAPTERS: dict[str, Callable[[Bench, int], ChapterResult]] = {
    "scratch": scratch.run,
    "transfer": transfer.run,
    "pruning": pruning.run,
    "quantization": quantization.run,
    "lenet": lenet.run,
}


def run_lab(config: LabConfig, *, command: str, say: Say, progress: bool) -> Results:
    """Run the lab into ``config.out`` and return its records; a run that was killed goes on where it stopped.

    Raises:
        UserError: wrong input; nothing has been trained then.
    """
    began = time.perf_counter()
    config = config.checked()
    rundir = RunDir(config.out)
    threads = available_threads()
    torch.set_num_threads(threads)
    keep_freed_memory()
    bench = _set_up(config, rundir, threads, say, progress)
    basis = _basis(config, bench)
    gathered = ChapterResult()
    failures: list[Failure] = []
    stages: list[Stage] = []
    for seed in range(config.seed, config.seed + config.seeds):
        for name in config.stages:
            if name != "demos":
                _chapter(bench, name, seed, basis, gathered, failures, stages)
    if "demos" in config.stages:
        gathered.demos = _demos(rundir, {**basis, "demo_seed": config.demo_seed}, config.demo_seed, say)
    latency = _timing(bench, basis, gathered.variants)
    variants = [v.model_copy(update={"latency": latency[v.key]}) for v in gathered.variants]
    run = Run(
        command=command, seconds=time.perf_counter() - began,
        seeds=list(range(config.seed, config.seed + config.seeds)), machine=describe(threads),
        authors=list(config.authors), profile=config.profile, backbone=bench.backbone.name,
        weights=bench.weights.source, amount=config.amount, petiole=petiole.__version__, stages=stages,
        peak_memory_bytes=peak_memory_bytes(),
    )  # fmt: skip
    data = Data(
        photos=bench.photos.record if bench.photos else None,
        digits=bench.digits.record if bench.digits else None,
    )
    results = Results(
        run=run, data=data, variants=variants, demos=gathered.demos, curves=gathered.curves, failures=failures
    )
    results = results.model_copy(update={"answers": answers.answer(results)})
    write_atomic(rundir.results, to_json(results))
    return results


def _set_up(config: LabConfig, rundir: RunDir, threads: int, say: Say, progress: bool) -> Bench:
    """Find data and weights, check the photos, and tell what was found."""
    photos: PhotoData | None = None
    digits: DigitData | None = None
    backbone_name, why = config.backbone, "as asked for"
    if backbone_name is None:
        backbone_name, why = choose_backbone(weights=config.weights, offline=config.offline)
    weights = find_weights(backbone_name, weights=config.weights, offline=config.offline)
    backbone = backbones.find(backbone_name)
    if weights.state is not None:
        backbones.load_state(backbone.build(), weights.state, what=f"the weights ({weights.source})")
    if set(config.stages) & {"scratch", "transfer", "pruning", "quantization"}:
        source = hymenoptera(
            data=config.data, offline=config.offline, synthetic_count=config.count or config.effort.drawn_photos,
            seed=config.seed, fallback=config.out, progress=progress,
        )  # fmt: skip
        photos = open_photos(
            source.root, source=source.source, synthetic=source.synthetic, note=source.note, seed=config.seed,
            split_file=config.out / "split.json", progress=progress,
        )  # fmt: skip
        record = photos.record
        say(f"photos: {record.source}, {record.train} to train, {record.test} to test, {len(record.skipped)} skipped")
    if "lenet" in config.stages:
        digits = load_digits(mnist=config.mnist, offline=config.offline)
        say(f"digits: {digits.record.source}, {digits.record.train} for training, {digits.record.test} for testing")
    say(f"backbone: {backbone.name} ({why}), weights: {weights.source}")
    line = AssemblyLine(rundir, threads=threads)
    return Bench(config=config, line=line, backbone=backbone, weights=weights, photos=photos, digits=digits, say=say,
                 progress=progress)  # fmt: skip


def _basis(config: LabConfig, bench: Bench) -> dict[str, Any]:
    """All that a chapter's result depends on."""
    return {
        "petiole": petiole.__version__,
        "effort": config.effort.model_dump(),
        "amount": config.amount,
        "backbone": bench.backbone.name,
        "weights": bench.weights.source,
        "photos": bench.photos.record.model_dump() if bench.photos else None,
        "digits": bench.digits.record.model_dump() if bench.digits else None,
        "threads": os.environ.get("OMP_NUM_THREADS", ""),
    }


def _chapter(bench: Bench, name: str, seed: int, basis: dict[str, Any], gathered: ChapterResult,
             failures: list[Failure], stages: list[Stage]) -> None:  # fmt: skip
    """Run one chapter, or take what an earlier, interrupted run has finished of it."""
    rundir = bench.line.rundir
    step = f"{name}-seed{seed}"
    stored = rundir.load(step, basis)
    if stored is None:
        bench.say(f"chapter {name}, seed {seed}")
        began = time.perf_counter()
        try:
            result = CHAPTERS[name](bench, seed)
        except (GateError, TrainingError) as error:
            bench.say(f"chapter {name} failed: {error}")
            failures.append(Failure(variant=name, why=str(error), seed=seed))
            return
        seconds = time.perf_counter() - began
        stage = Stage(name=name, seed=seed, seconds=seconds, images=result.images, images_per_s=result.images / seconds)
        stored = {
            "stage": stage.model_dump(mode="json"),
            "variants": [v.model_dump(mode="json") for v in result.variants],
            "curves": [c.model_dump(mode="json") for c in result.curves],
        }
        rundir.save(step, basis, stored)
    else:
        bench.say(f"chapter {name}, seed {seed}: finished earlier, taken as it is")
    stages.append(Stage.model_validate(stored["stage"]))
    gathered.variants += [Variant.model_validate(row) for row in stored["variants"]]
    gathered.curves += [CurvePoint.model_validate(row) for row in stored["curves"]]


def _demos(rundir: RunDir, basis: dict[str, Any], seed: int, say: Say) -> dict[str, Any]:
    stored = rundir.load("demos", basis)
    if stored is None:
        say("chapter demos")
        stored = {"dtype": demos.dtype_demo(seed), "lstm": demos.lstm_demo()}
        rundir.save("demos", basis, stored)
    result: dict[str, Any] = stored
    return result


def _timing(bench: Bench, basis: dict[str, Any], variants: list[Variant]) -> dict[str, list[Latency]]:
    basis = {**basis, "variants": [variant.key for variant in variants]}
    stored = bench.line.rundir.load("timing", basis)
    if stored is None:
        measured = timing.run(bench, variants) if variants else {}
        stored = {key: [row.model_dump(mode="json") for row in rows] for key, rows in measured.items()}
        bench.line.rundir.save("timing", basis, stored)
    return {key: [Latency.model_validate(row) for row in rows] for key, rows in stored.items()}
