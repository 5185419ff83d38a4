"""The whole lab: data and weights, then chapter after chapter, then timing, answers and records. Only wiring."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import petiole
from petiole.bench.machine import describe, peak_memory_bytes
from petiole.called import read_called
from petiole.deploy.artifact import read_card
from petiole.download import sha256_of
from petiole.errors import UserError
from petiole.lab import answers, demos, lenet, pruning, quantization, scratch, structured, thumbnails, timing, transfer
from petiole.lab.bench import Bench, ChapterResult
from petiole.lab.comparisons import compare
from petiole.lab.config import NEEDS, STAGES, LabConfig
from petiole.lab.setup import basis, set_up, timing_basis
from petiole.progress import Say
from petiole.records import Data, Failure, Latency, Results, Run, Stage, Variant, read_results, to_json
from petiole.rundir import RunDir, require_apart
from petiole.search_records import require_same_kind
from petiole.training.memory import keep_freed_memory, release_freed_memory
from petiole.writing import write_atomic

CHAPTERS: dict[str, Callable[[Bench, int, ChapterResult], None]] = {
    "scratch": scratch.run,
    "transfer": transfer.run,
    "pruning": pruning.run,
    "structured": structured.run,
    "quantization": quantization.run,
    "lenet": lenet.run,
}


@dataclass(kw_only=True)
class _Progress:
    """What the run has so far."""

    gathered: ChapterResult = field(default_factory=ChapterResult)
    stages: list[Stage] = field(default_factory=list)


def run_lab(
    config: LabConfig, *, command: str, say: Say, progress: bool, deliver: Callable[[Results], None] = lambda _: None
) -> Results:
    """Run the lab into ``config.out`` and return its records; a run that was killed goes on where it stopped.

    ``deliver`` writes what else belongs into the directory, before another process may work there.

    Raises:
        UserError: wrong input, or another process is at work in ``config.out``; nothing has been trained then.
    """
    began = time.perf_counter()
    config = config.checked()
    if config.data is not None and config.data.is_dir():
        require_apart(config.data, config.out)
    rundir = RunDir(config.out)
    keep_freed_memory()
    with rundir.held():
        require_same_kind(config.out, config.profile)
        _require_nothing_dropped(config)
        bench = set_up(config, rundir, say, progress=progress)
        results = _run(bench, began, command)
        write_atomic(rundir.results, to_json(results))
        deliver(results)
        rundir.settle()
    return results


def _require_nothing_dropped(config: LabConfig) -> None:
    """The records that are written hold what is asked for now: what else has been finished here must not get lost.

    Raises:
        UserError: the directory holds results of more stages or seeds; the message says how to keep them.
    """
    try:
        before = read_results(config.out)
    except UserError:
        return  # none, or none that can be read
    stages = [name for name in STAGES if name in {each.name for each in before.run.stages}]
    more = [name for name in stages if name not in config.stages]
    seeds = [seed for seed in before.run.seeds if not config.seed <= seed < config.seed + config.seeds]
    if more or seeds:
        kept = ",".join(name for name in STAGES if name in {*stages, *config.stages})
        what = f"the stages {', '.join(more)}" if more else f"the seeds {', '.join(map(str, seeds))}"
        keep = f"name them too (--stages {kept}: what is finished is not done again)" if more else "ask for them too"
        raise UserError(
            f"{config.out} holds results of {what} as well, which this command would drop: {keep}, or choose another "
            "--out"
        )


def _run(bench: Bench, began: float, command: str) -> Results:
    config = bench.config
    so_far = _Progress(stages=[Stage(name="set-up", seed=config.seed, seconds=time.perf_counter() - began)])
    seeds = list(range(config.seed, config.seed + config.seeds))
    for seed in seeds:
        for name in config.stages:
            if name != "demos":
                _chapter(bench, name, seed, so_far)
    if "demos" in config.stages:
        so_far.gathered.demos = _demos(bench, so_far)
    variants = _timed(bench, so_far)
    seconds, peak = _spent(bench, time.perf_counter() - began)
    seconds = max(seconds, sum(stage.seconds for stage in so_far.stages))  # where what was noted of it is lost
    run = Run(
        command=command, seconds=seconds, seeds=seeds, machine=describe(bench.line.threads),
        authors=list(config.authors), profile=config.profile, backbone=bench.backbone.name,
        weights=bench.weights.source, amount=config.amount, petiole=petiole.__version__, stages=so_far.stages,
        peak_memory_bytes=peak,
    )  # fmt: skip
    data = Data(
        photos=bench.photos.record if bench.photos else None,
        digits=bench.digits.record.model_copy(update={"digest": bench.digits.digest}) if bench.digits else None,
    )
    results = Results(
        run=run, data=data, variants=variants, demos=so_far.gathered.demos, curves=so_far.gathered.curves,
        unreached=so_far.gathered.unreached, sensitivities=so_far.gathered.sensitivities,
        layer_errors=so_far.gathered.layer_errors,
        thumbnails=thumbnails.write(bench, variants), comparisons=compare(bench.line.rundir.path, variants),
        failures=so_far.gathered.failures,
    )  # fmt: skip
    return results.model_copy(update={"answers": answers.answer(results)})


def _chapter(bench: Bench, name: str, seed: int, so_far: _Progress) -> None:
    """Run one chapter, or take what an earlier, interrupted run has finished of it."""
    needed = NEEDS.get(name)
    if needed is not None and any(row.seed == seed and row.stage == needed for row in so_far.gathered.failures):
        why = f"not run, since chapter {needed} failed"
        so_far.gathered.failures.append(Failure(variant=name, why=why, seed=seed, stage=name))
        return
    stage, result = _finished(bench, name, seed) or _run_chapter(bench, name, seed)
    so_far.stages.append(stage)
    so_far.gathered.add(result)


def _finished(bench: Bench, name: str, seed: int) -> tuple[Stage, ChapterResult] | None:
    """What an earlier run has finished of a chapter; None where there is nothing, or not all of it any more."""
    run_dir, stored = bench.line.rundir.path, bench.line.rundir.load(f"{name}-seed{seed}", basis(bench, name))
    if stored is None:
        return None
    try:
        stage, result = Stage.model_validate(stored["stage"]), ChapterResult.model_validate(stored["result"])
        for row in result.variants:
            if row.artifact is not None:
                read_card(run_dir / row.artifact)
            if row.predictions is not None:
                read_called(run_dir, row)
    except (UserError, ValueError, KeyError, TypeError) as error:
        bench.say(f"chapter {name}, seed {seed}: finished earlier, but not whole any more; done again ({error})")
        return None
    bench.say(f"chapter {name}, seed {seed}: finished earlier, taken as it is")
    return stage, result


def _run_chapter(bench: Bench, name: str, seed: int) -> tuple[Stage, ChapterResult]:
    """Run one chapter from its beginning; its done-marker is written if nothing failed."""
    rundir, result = bench.line.rundir, ChapterResult()
    for outdated in (name, *(each for each, needed in NEEDS.items() if needed == name)):
        rundir.forget(f"{outdated}-seed{seed}")  # their artifacts are about to be overwritten
    rundir.forget("timing")
    bench.say(f"chapter {name}, seed {seed}")
    began, earlier = time.perf_counter(), sum(bench.earlier)
    with result.attempt(name, name, seed, bench.say):
        CHAPTERS[name](bench, seed, result)
    release_freed_memory()
    seconds = time.perf_counter() - began + sum(bench.earlier) - earlier
    stage = Stage(name=name, seed=seed, seconds=seconds, images=result.images, images_per_s=result.images / seconds)
    if not result.failures:
        stored = {"stage": stage.model_dump(mode="json"), "result": result.model_dump(mode="json")}
        rundir.save(step=f"{name}-seed{seed}", basis=basis(bench, name), result=stored)
    rundir.forget_trainings()
    return stage, result


def _demos(bench: Bench, so_far: _Progress) -> dict[str, Any]:
    rundir, seed = bench.line.rundir, bench.config.demo_seed
    depends_on = {**basis(bench, "demos"), "data": seed}
    stored: dict[str, Any] | None = rundir.load("demos", depends_on)
    if stored is None:
        bench.say("chapter demos")
        began = time.perf_counter()
        made = {"dtype": demos.dtype_demo(seed), "lstm": demos.lstm_demo(run_dir=rundir.path)}
        stored = {"seconds": time.perf_counter() - began, "demos": made}
        rundir.save("demos", depends_on, stored)
    so_far.stages.append(Stage(name="demos", seed=bench.config.seed, seconds=stored["seconds"]))
    found: dict[str, Any] = stored["demos"]
    return found


def _timed(bench: Bench, so_far: _Progress) -> list[Variant]:
    """All variants with their latencies."""
    variants, rundir = so_far.gathered.variants, bench.line.rundir
    depends_on = timing_basis(bench, variants)
    stored = rundir.load("timing", depends_on)
    if stored is None or not all(_is_whole(rundir.path / name, sha256) for name, sha256 in stored["files"].items()):
        rundir.forget("timing")  # raw timings are about to be overwritten
        began = time.perf_counter()
        measured = timing.run(bench, variants) if variants else {}
        ratios = timing.ratios(rundir.path, variants, rounds=bench.config.effort.latency_rounds, seed=bench.config.seed)
        profiles = timing.profiles(bench, variants)
        stored = {
            "seconds": time.perf_counter() - began,
            "files": {name: sha256_of(rundir.path / name) for name in _raw_files(measured)},
            "rows": {key: [row.model_dump(mode="json") for row in rows] for key, rows in measured.items()},
            "ratios": {key: [row.model_dump(mode="json") for row in rows] for key, rows in ratios.items()},
            "profiles": {
                key: {
                    "profile": [each.model_dump(mode="json") for each in found.operators], "profile_ms": found.p50_ms,
                    "profile_p25_ms": found.p25_ms, "profile_p75_ms": found.p75_ms,
                    "profile_calls": found.calls,
                }
                for key, found in profiles.items()
            },
        }  # fmt: skip
        rundir.save("timing", depends_on, stored)
    so_far.stages.append(Stage(name="timing", seed=bench.config.seed, seconds=stored["seconds"]))
    return [
        Variant.model_validate({
            **variant.model_dump(), "latency": stored["rows"][variant.key],
            "time_ratios": stored["ratios"].get(variant.key, []), **stored["profiles"].get(variant.key, {}),
        })
        for variant in variants
    ]  # fmt: skip


def _raw_files(measured: dict[str, list[Latency]]) -> list[str]:
    return sorted({row.raw_file for rows in measured.values() for row in rows if row.raw_file})


def _is_whole(file: Path, sha256: str) -> bool:
    return file.is_file() and sha256_of(file) == sha256


def _spent(bench: Bench, seconds: float) -> tuple[float, int]:
    """Seconds and peak memory of all processes that have worked on this run (of those that were killed, the trainings
    that were taken up); with another profile it is another run."""
    rundir, depends_on = bench.line.rundir, bench.config.effort.model_dump(mode="json")
    before = rundir.load("spent", depends_on) or {"seconds": 0.0, "peak_memory_bytes": 0}
    spent = {
        "seconds": before["seconds"] + seconds + sum(bench.earlier),
        "peak_memory_bytes": max(before["peak_memory_bytes"], peak_memory_bytes()),
    }
    rundir.save("spent", depends_on, spent)
    return spent["seconds"], spent["peak_memory_bytes"]
