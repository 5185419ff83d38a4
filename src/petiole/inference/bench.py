"""How fast artifacts are on this machine: timed side by side in interleaved rounds, against one reference."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from petiole import stats, units
from petiole.bench.latency import measure, summarize
from petiole.bench.load import Load
from petiole.bench.machine import describe
from petiole.caveats import busy_share
from petiole.deploy import artifact, check, runtimes
from petiole.deploy.runtime import Runtime
from petiole.deployed import AUTO, Deployed, fastest, read
from petiole.errors import PetioleError, UserError, unknown_choice
from petiole.inference_records import Benchmark, Benchmarked, Speedup
from petiole.records import Latency, Machine

SAMPLES = 1024
"""As many as MLPerf's Single-Stream scenario asks for (Reddi et al. 2020, "MLPerf Inference Benchmark", section 4)."""


MOST_SAMPLES = 1_000_000
ROUNDS = 32


@dataclass(frozen=True, kw_only=True)
class _Contestant:
    label: str
    deployed: Deployed
    runtime: Runtime


def bench(
    directories: Sequence[Path],
    *,
    runtime: str = AUTO,
    against: Sequence[str] = (),
    batch: int = 1,
    threads: int,
    samples: int = SAMPLES,
    seed: int = 0,
    say: Callable[[str], None],
    progress: Callable[[int, int], object] | None = None,
) -> Benchmark:
    """Time every artifact, once however often it is named, on ``runtime``, and on each runtime of ``against``.

    The reference is the float network in eager torch that the first artifact comes from, before pruning, where that
    lies beside it (:func:`_float_origins`); without one it is the first row. What cannot be timed on a runtime of
    ``against`` is told in the warnings. Speed-ups are ratios of medians with a bootstrap
    interval (:func:`petiole.stats.median_ratio_interval`). A difference is measurable where that leaves out 1 and the
    middle halves of the calls lie apart.

    Raises:
        UserError: an artifact is damaged, does not run on a runtime, or a number is out of range.
    """
    _require(against, batch=batch, threads=threads, samples=samples)
    artifacts = [read(each) for each in {os.path.realpath(each): each for each in directories}.values()]
    for one in artifacts:
        one.require_batch(batch)
    notes: list[str] = []

    def note(text: str) -> None:
        notes.append(text)
        say(text)

    contestants, missing = _contestants(artifacts, runtime, against, threads, batch, note)
    calls = {
        each.label: partial(each.runtime.run, check.draw(each.deployed.card.preprocessing, range(batch)))
        for each in contestants
    }
    load = Load()
    raw_ms = measure(calls, min_samples=samples, min_seconds=1.0, rounds=ROUNDS, progress=progress)
    others = load.others_share()
    reference, here = contestants[0], describe(threads)
    latencies = [
        summarize(raw_ms[each.label], runtime=each.runtime.name, batch=batch, threads=threads, others_share=others)
        for each in contestants
    ]
    rows = [
        Benchmarked(
            artifact=str(each.deployed.directory), name=each.deployed.card.name, label=each.label, latency=latency,
            images_per_s=1000 * batch / latency.p50_ms, file_bytes=each.deployed.model.stat().st_size,
            speedup=_speedup(raw_ms[reference.label], latencies[0], raw_ms[each.label], latency, seed)
            if each is not reference and _comparable(each.deployed, reference.deployed) else None,
        )
        for each, latency in zip(contestants, latencies, strict=True)
    ]  # fmt: skip
    told = missing + [doubt for each in contestants for doubt in _doubts(each, here)]
    told += [
        f"{each.deployed.card.name} does another job than {reference.deployed.card.name} (other classes or pictures of "
        "another size): no speed-up is told"
        for each in contestants
        if not _comparable(each.deployed, reference.deployed)
    ]
    if (share := busy_share(row.latency for row in rows)) is not None:
        told.append(
            f"the machine was busy: other processes had {units.percent(share, 0)} of the cores' time meanwhile; close "
            "them and time again"
        )
    warnings = tuple(dict.fromkeys(told))
    return Benchmark(
        machine=here, batch=batch, reference=reference.label, rows=rows, notes=tuple(notes), warnings=warnings
    )  # fmt: skip


def _require(against: Sequence[str], **numbers: int) -> None:
    for name, value in numbers.items():
        least = 2 if name == "samples" else 1
        if value < least:
            raise UserError(f"--{name} {value} is too small: give {least} or more")
    if numbers["samples"] > MOST_SAMPLES:
        raise UserError(f"--samples {numbers['samples']} would take for ever: give {MOST_SAMPLES} at most")
    for name in against:
        if name not in runtimes.NAMES:
            raise unknown_choice("runtime to compare with", name, list(runtimes.NAMES))


def _speedup(before_ms: list[float], before: Latency, after_ms: list[float], after: Latency, seed: int) -> Speedup:
    ratio, low, high = stats.median_ratio_interval(before_ms, after_ms, rounds=ROUNDS, seed=seed)
    lie_apart = after.p75_ms < before.p25_ms or after.p25_ms > before.p75_ms
    is_measurable = (low > 1 or high < 1) and lie_apart
    return Speedup(ratio=ratio, low=low, high=high, is_measurable=is_measurable)


def _contestants(
    artifacts: Sequence[Deployed],
    runtime: str,
    against: Sequence[str],
    threads: int,
    batch: int,
    say: Callable[[str], None],
) -> tuple[list[_Contestant], list[str]]:
    """The reference first, each pair of artifact and runtime once; and why some of ``against`` are missing."""
    found: dict[tuple[Path, str], Runtime] = {}
    by_path = {each.directory: each for each in artifacts}
    origins, missing = _float_origins(artifacts[0])
    for each in origins:
        try:
            found[each.directory, "torch"] = each.open("torch", threads=threads)
        except PetioleError as error:  # an older one may do
            missing.append(f"not compared with {each.card.name}: {error}")
            continue
        by_path[each.directory] = each
        break
    if not found:
        say(f"no float network that {artifacts[0].directory} comes from lies beside it to compare with")
    for each in artifacts:
        opened = (
            fastest(each, threads=threads, batch=batch, say=say)
            if runtime == AUTO
            else each.open(runtime, threads=threads)
        )
        found.setdefault((each.directory, opened.name), opened)
        for name in against:
            try:
                if (each.directory, name) not in found:
                    found[each.directory, name] = each.open(name, threads=threads)
            except PetioleError as error:  # the others can be compared
                missing.append(f"not timed on {name}: {error}")
    several = len({directory.parent for directory, _ in found}) > 1
    return [
        _Contestant(label=f"{directory if several else directory.resolve().name} {name}", deployed=by_path[directory],
                    runtime=opened)
        for (directory, name), opened in found.items()
    ], missing  # fmt: skip


def _float_origins(deployed: Deployed) -> tuple[list[Deployed], list[str]]:
    """The float networks that this one comes from: of itself, its parent, its parent's and so on, as far as they lie
    side by side and can be read; those that are not pruned first. And why the row ends where it does not by itself."""
    row, missing = [deployed], list[str]()
    try:
        while (one := _parent(row[-1])) is not None and one.card.name not in {each.card.name for each in row}:
            row.append(one)
    except PetioleError as error:
        missing.append(f"not compared with what it comes from: {error}")
    floating = [each for each in row if not each.card.is_int8]
    return sorted(floating, key=lambda each: bool(each.card.plan.get("pruning"))), missing


def _parent(deployed: Deployed) -> Deployed | None:
    if deployed.card.parent is None:
        return None
    directory = deployed.directory if deployed.directory.name else deployed.directory.resolve()  # "." has no name
    _, marked, seed = directory.name.rpartition("-seed")
    beside = directory.parent / (deployed.card.parent + (f"-seed{seed}" if marked else ""))
    return read(beside) if os.path.isfile(beside / artifact.CARD) else None  # False also where the name cannot be


def _comparable(one: Deployed, other: Deployed) -> bool:
    """Whether both do the same job: the same classes on pictures of the same size."""
    return (one.card.classes, one.card.preprocessing.input_shape) == (
        other.card.classes,
        other.card.preprocessing.input_shape,
    )


def _doubts(each: _Contestant, here: Machine) -> list[str]:
    card = each.deployed.card
    doubts, made_on = [*each.deployed.warnings, *each.deployed.doubts(each.runtime)], card.measured_on
    if made_on.cpu != here.cpu or set(made_on.isa) != set(here.isa):  # clouds give many processors one name
        doubts.append(
            f"{card.name} was made on another machine ({made_on.cpu}"
            f"{', with other instructions' if made_on.cpu == here.cpu else ''}); the times here are of this one"
        )
    return doubts
