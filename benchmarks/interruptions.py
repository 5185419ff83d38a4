"""Kill ``petiole lab`` and ``petiole compress`` at random moments, go on with the same command, and compare.

    python benchmarks/interruptions.py [--what lab compress] [--kills 30] [--signal KILL] [--seed 0] [--work DIR]

Each command runs undisturbed first. The done-markers in its ``state/`` tell when each of its steps ended. Then it runs
again in another directory: in turn, each step is killed (SIGKILL) at moments drawn from its whole length, and the same
command is given again. Every second kill waits for the next write of a file and falls into it: before it is synced,
before it takes its name, or just after. Trainings are kept after every epoch here (``EVERY_S`` is 0), so that short
ones go on in their middle too. The lengths of steps are those of the undisturbed run: where a step that goes on is
faster, so that the command ends before the moment comes, its directory is put back as it was before, and half the
moment is tried, :data:`TRIES` times; what came too late even then is told so.

In the end the records of both runs must be equal but for :data:`TIMES`, and so must all files of :data:`COMPARED`.
With ``--signal INT`` (Ctrl-C) or ``TERM`` the command is stopped instead: it must end with 130 and the command to go on
with. The command is small: few drawn photos, the quick profile. Exit code 1 if anything differs, or if fewer than half
of the kills happened.
"""

import argparse
import hashlib
import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

TIMES = {
    "seconds", "images_per_s", "peak_memory_bytes", "latency", "profile", "profile_ms", "answers", "command",
    "time_ratios",
    "p50_ms", "relative_time", "reference_ms", "speedup", "float_p25_ms", "float_p50_ms", "float_p75_ms",
    "float_p90_ms", "int8_p25_ms", "int8_p50_ms", "int8_p75_ms", "int8_p90_ms",
}  # fmt: skip
"""Keys of records that hold times or speak of them, or that hold the path of the run (``command``)."""
COMPARED = ("artifacts", "predictions", "recipes", "thumbnails", "chosen.toml")
"""Folders and files of a run that hold no times: the same bytes are expected."""
NOT_STEPS = {"spent", "sources", "worker"}
"""Markers that every process writes: they end no step."""
KINDS = ("before it is synced", "before it takes its name", "after it took its name")
IN_WRITE = "in a write, "
LATE = "too late: it had ended"
TRIES = 4
PATIENCE_S = 900.0

Step = tuple[str, float]
"""A done-marker, and how many seconds its step took."""


def main() -> None:
    """Run, kill, go on, compare, print."""
    if sys.argv[1:2] == ["--child"]:
        return child(Path(sys.argv[2]), sys.argv[3:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", nargs="+", choices=["lab", "compress"], default=["lab", "compress"])
    parser.add_argument("--kills", type=int, default=30, help="of each command (default: 30)")
    parser.add_argument("--signal", choices=["KILL", "INT", "TERM"], default="KILL", help="(default: KILL)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=24, help="drawn photos (default: 24)")
    parser.add_argument("--stages", default="", help="of the lab (default: all)")
    parser.add_argument("--work", type=Path, default=Path("runs/benchmark-interruptions"), help="a new directory")
    options = parser.parse_args()
    options.work.mkdir(parents=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job would hand on that it is ignored
    equal = [_tried(options, what) for what in options.what]
    sys.exit(0 if all(equal) else 1)


def _arguments(options: argparse.Namespace, what: str, out: Path) -> list[str]:
    common = ["--backbone", "efficientnet_lite0", "--offline", "--seed", str(options.seed), "--out", str(out)]
    if what == "lab":
        stages = ["--stages", options.stages] if options.stages else []
        return ["lab", "--data", "synthetic", "--count", str(options.count), "--profile", "quick", *stages, *common]
    photos = options.work / "photos"
    if not photos.exists():
        from petiole import api

        api.draw(photos, count=options.count)
    # What is tried must not depend on times: the objective is the size, and there is time for the whole space.
    return [
        "compress", str(photos), "--objective", "size", "--budget", "10h", "--size", "64", "--macs",
        "0.6", "--quantization", "static", "--quantization", "qat", "--finalists", "1", "--max-drop", "50", *common,
    ]  # fmt: skip


def _tried(options: argparse.Namespace, what: str) -> bool:
    """One command, undisturbed and killed; prints the table and tells whether both ended alike."""
    whole, killed = options.work / f"{what}-undisturbed", options.work / f"{what}-killed"
    began = time.time()
    run = _start(options, what, whole)
    _require_done(run.wait(), whole)
    steps = _steps(whole, began)
    print(f"{what}: undisturbed in {time.time() - began:.0f} s, {len(steps)} steps", flush=True)
    rng, fell = random.Random(options.seed), Counter[tuple[str, str]]()
    for step, share, kind in _moments(rng, [name for name, _ in steps], options.kills, writes=options.signal == "KILL"):
        fell[step, _kill_in_time(options, what, killed, steps, step, share, kind)] += 1
    Path(f"{killed}.trigger").unlink(missing_ok=True)
    _require_done(_start(options, what, killed).wait(), killed)
    for step, seconds in steps:
        hits = ", ".join(f"{count} {how}" for (name, how), count in fell.items() if name == step)
        print(f"  {step:<60}{seconds:>7.1f} s   {hits or '-'}")
    differences = [*_differences(whole, killed)]
    happened = sum(count for (_, how), count in fell.items() if how != LATE)
    within = sum(count for (_, how), count in fell.items() if how.startswith(IN_WRITE))
    enough = 2 * happened >= max(1, options.kills)
    verdict = "DIFFERENT" if differences else "equal" if enough else "equal, but TOO FEW KILLS to show anything"
    print(f"{what}: {options.kills} kills asked, {happened} happened, {within} of them in a write; {verdict}")
    for line in differences[:40]:
        print(f"  {line}")
    return enough and not differences


def _start(options: argparse.Namespace, what: str, out: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, __file__, "--child", str(out) + ".trigger", *_arguments(options, what, out)]
    with (options.work / f"{out.name}.log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def _require_done(code: int, out: Path) -> None:
    if code not in (0, 3):  # 3: no network within the limits, which is a result
        sys.exit(f"{out} ended with {code}: see {out}.log")


def _markers(out: Path) -> dict[str, float]:
    """All done-markers of steps, with the time when they were written."""
    found = {}
    for path in [*out.glob("state/*.json"), *out.glob("search/*/state/*.json")]:
        if path.stem not in NOT_STEPS:
            with suppress(FileNotFoundError):  # forgotten in this moment, for it is done anew
                name = path.relative_to(out).as_posix().replace("state/", "").removesuffix(".json")
                found[name] = path.stat().st_mtime
    return found


def _steps(out: Path, began: float) -> list[Step]:
    """In the order in which they ended; the first one takes in the start of the process and the set-up."""
    steps = []
    for name, ended in sorted(_markers(out).items(), key=lambda each: each[1]):
        steps.append((name, ended - began))
        began = ended
    return steps


def _moments(
    rng: random.Random, steps: list[str], kills: int, *, writes: bool
) -> Iterator[tuple[str, float, str | None]]:
    """Step by step, in order: how much of the step is done when it is killed, and into what kind of write, if any."""
    share = [kills // len(steps) + (at < kills % len(steps)) for at in range(len(steps))]
    rng.shuffle(share)
    at = 0
    for step, count in zip(steps, share, strict=True):
        for _ in range(count):
            yield step, rng.random(), rng.choice(KINDS) if at % 2 and writes else None
            at += 1


def _kill_in_time(
    options: argparse.Namespace, what: str, out: Path, steps: list[Step], step: str, share: float, kind: str | None
) -> str:
    """:func:`_kill`, earlier in the step and from the same state where the command ended before the moment came."""
    before = Path(f"{out}.before")
    _copy(out, before)
    for earlier in range(TRIES):
        if (how := _kill(options, what, out, steps, step, share / 2**earlier, kind)) != LATE:
            break
        _copy(before, out)
    return how


def _copy(one: Path, other: Path) -> None:
    shutil.rmtree(other, ignore_errors=True)
    if one.exists():  # before the first kill there is none
        shutil.copytree(one, other, symlinks=True)


def _kill(
    options: argparse.Namespace, what: str, out: Path, steps: list[Step], step: str, share: float, kind: str | None
) -> str:
    """Start the command, wait for the step and the moment in it, and kill; tells how it fell."""
    trigger, at = Path(str(out) + ".trigger"), [name for name, _ in steps].index(step)
    for mark in (".trigger", ".begun", ".ready"):  # of the process before
        trigger.with_suffix(mark).unlink(missing_ok=True)
    run = _start(options, what, out)
    _wait(trigger.with_suffix(".begun").exists, run)  # before, it is Python that starts
    if at:
        _wait(lambda: trigger.with_suffix(".ready").exists() and steps[at - 1][0] in _markers(out), run)
    time.sleep(share * steps[at][1])
    how = "at any moment"
    if kind is not None and run.poll() is None:
        fresh = trigger.with_suffix(".fresh")
        fresh.write_text(kind, encoding="utf-8")
        fresh.replace(trigger)
        _wait(lambda: run.poll() is not None, run)
        if run.poll() is not None:  # else no such write came, and it is killed like the others
            how = IN_WRITE + kind
    run.send_signal(signal.Signals[f"SIG{options.signal}"])
    code = run.wait()
    if code == (130 if options.signal != "KILL" else -signal.SIGKILL):
        if options.signal != "KILL":
            _require_last_words(options, what, out)
        return how
    if code in (0, 3):
        return LATE
    sys.exit(f"{out} ended with {code} when it was stopped: see {out}.log")


def _require_last_words(options: argparse.Namespace, what: str, out: Path) -> None:
    *_, last = Path(f"{out}.log").read_text(encoding="utf-8").splitlines()
    expected = f"petiole: stopped; to go on where it was: {shlex.join(['petiole', *_arguments(options, what, out)])}"
    if last != expected:
        sys.exit(f"{out}.log ends with {last!r}, not with {expected!r}")


def _wait(until: Callable[[], bool], run: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + PATIENCE_S
    while not until() and run.poll() is None and time.monotonic() < end:
        time.sleep(0.005)


def child(trigger: Path, arguments: list[str]) -> None:
    """The command itself, in a process that kills itself in the write that ``trigger`` asks for."""
    from petiole import cli, rundir
    from petiole.training import checkpoint

    ready = trigger.with_suffix(".ready")
    checkpoint.EVERY_S = 0.0

    def die_if(kind: str) -> None:
        if trigger.exists() and trigger.read_text(encoding="utf-8") == kind:
            os.kill(os.getpid(), signal.SIGKILL)

    fsync, replace, save = os.fsync, os.replace, rundir.RunDir.save

    def watched_fsync(descriptor: int) -> None:
        die_if(KINDS[0])
        fsync(descriptor)

    def watched_replace(source: Any, target: Any) -> None:
        die_if(KINDS[1])
        replace(source, target)
        die_if(KINDS[2])

    def watched_save(self: rundir.RunDir, step: str, basis: object, result: object) -> None:
        save(self, step, basis, result)
        if step in NOT_STEPS:
            ready.touch()

    os.fsync, os.replace, rundir.RunDir.save = watched_fsync, watched_replace, watched_save  # type: ignore[assignment]
    sys.argv = ["petiole", *arguments]
    trigger.with_suffix(".begun").touch()
    cli.main()


def _differences(one: Path, other: Path) -> Iterator[str]:
    """What is not alike in the records and the files of two runs."""
    yield from _unlike("results", _records(one), _records(other))
    files, others = _files(one), _files(other)
    for name in sorted(files.keys() | others.keys()):
        if files.get(name) != others.get(name):
            yield f"{name}: {files.get(name, 'missing')} -> {others.get(name, 'missing')}"
    for left in [*other.rglob(".*.unfinished"), *other.rglob("state/training/*")]:
        yield f"left behind: {left}"


def _records(out: Path) -> Any:
    return _without(json.loads((out / "results.json").read_text(encoding="utf-8")))


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(each) for key, each in value.items() if key not in TIMES}
    return [_without(each) for each in value] if isinstance(value, list) else value


def _unlike(where: str, one: Any, other: Any) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            yield from _unlike(f"{where}.{key}", one.get(key), other.get(key))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for at, (each, its) in enumerate(zip(one, other, strict=True)):
            yield from _unlike(f"{where}[{at}]", each, its)
    elif one != other:
        yield f"{where}: {str(one)[:80]} -> {str(other)[:80]}"


def _files(out: Path) -> dict[str, str]:
    """SHA-256 of every file of :data:`COMPARED`."""
    paths = [path for name in COMPARED for path in (out / name, *(out / name).rglob("*")) if path.is_file()]
    return {path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()[:12] for path in paths}


if __name__ == "__main__":
    main()
