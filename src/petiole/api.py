"""The verbs, each one function with the same name and arguments as on the command line."""

import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from petiole.chain.config import require_seed
from petiole.data.layout import text_of
from petiole.errors import GoalError, UserError
from petiole.inference_records import Benchmark, Prediction
from petiole.lab.config import STAGES, LabConfig
from petiole.recipes import effort
from petiole.records import Photos, Results
from petiole.rundir import RunDir, require_settled
from petiole.search_records import Finalist, SearchResults, read_any_results

if TYPE_CHECKING:
    from torch import nn


MOST_THREADS = 64
"""On any machine; thousands of threads bring it to a standstill."""


def _print(text: str) -> None:
    print(text, flush=True)


def _command() -> str:
    """The command line that started this, or that it was no command line."""
    name = Path(sys.argv[0]).name
    is_ours = name in {"petiole", "petiole.exe", "__main__.py"}
    words = [text_of(word) for word in sys.argv[1:]]
    return shlex.join(["petiole", *words]) if is_ours else f"petiole.api, called by {name or 'Python'}"


def _threads(asked: int | None, available: int) -> int:
    if asked is not None and asked < 1:
        raise UserError(f"--threads {asked} is too small: give 1 or more")
    most = max(MOST_THREADS, 4 * available)
    if asked is not None and asked > most:
        raise UserError(f"--threads {asked} is too many for {available} cores: give {most} at most")
    return asked or available


def lab(*, data: Path | None = None, mnist: Path | None = None, out: Path = Path("runs/lab"),
        backbone: str | None = None, weights: str | None = None, offline: bool = False, amount: float = 0.3,
        macs: float | None = None, channels: float | None = None, schedule: str = "cubic",
        prune_steps: int | None = None, importance: str = "contribution", spread: str = "global",
        reestimate: bool = False, study: bool = False, max_drop: float = 1.0,
        seed: int = 0, seeds: int = 1, author: Sequence[str] = (), stages: Sequence[str] = STAGES,
        profile: str = "lab", count: int | None = None, demo_seed: int = 123, bundle: bool = False,
        bundle_weights: bool = False, say: Callable[[str], None] = _print) -> Results:  # fmt: skip
    """Run the lab and write ``results.json``, ``report.html`` and ``Readme.txt`` into ``out``; with ``bundle`` (and
    ``bundle_weights``) ``hand-in.zip`` too.

    Raises:
        UserError: wrong input; one sentence says what, where, and what to do.
    """
    config = LabConfig(
        data=data, mnist=mnist, out=out, backbone=backbone, weights=weights, offline=offline, amount=amount,
        seed=seed, seeds=seeds, authors=tuple(map(text_of, author)), stages=tuple(stages), profile=profile, count=count,
        demo_seed=demo_seed, max_drop=max_drop, channels=channels, schedule=schedule,
        prune_steps=prune_steps, importance=importance, spread=spread, reestimate=reestimate, study=study,
        effort=effort(profile), **({} if macs is None else {"macs": macs}),
    ).checked()  # fmt: skip
    # Heavy libraries come after that: a wrong option is told at once.
    from petiole.lab.run import run_lab
    from petiole.report.bundle import write_bundle
    from petiole.report.html import write_report
    from petiole.report.readme import write_readme

    def deliver(results: Results) -> None:
        write_report(out, results)
        write_readme(out, results)
        if bundle or bundle_weights:
            say(f"hand-in: {write_bundle(out, results, weights=bundle_weights)}")

    return run_lab(config, command=_command(), say=say, progress=sys.stderr.isatty(), deliver=deliver)


def compress(
    data: Path, *, out: Path = Path("runs/compress"), objective: str = "latency", max_drop: float | None = None,
    min_accuracy: float | None = None, max_latency_ms: float | None = None, max_size: float | None = None,
    max_macs: float | None = None, budget_s: float = 900.0, backbone: Sequence[str] = (), weights: str | None = None,
    offline: bool = False, size: Sequence[int] | None = None, macs: Sequence[float] | None = None,
    amount: Sequence[float] | None = None,
    quantization: Sequence[str] | None = None, finalists: int = 2, study: str | None = None,
    recipe: Path | None = None, seed: int = 0, say: Callable[[str], None] = _print,
) -> SearchResults:  # fmt: skip
    """Search the smallest or fastest network for the photos under ``data`` within limits, and write its artifact,
    ``results.json``, ``report.html`` and ``chosen.toml`` into ``out``.

    ``max_drop`` and ``min_accuracy`` are in points and per cent, ``max_size`` in bytes; without any limit on accuracy
    it is ``max_drop`` 1. ``backbone``, ``size``, ``macs``, ``amount`` and ``quantization`` narrow what is tried.
    A ``recipe`` brings its seed,
    and its limits if none is given. ``results.chosen`` is None if no network keeps the limits (:func:`require_chosen`).

    Raises:
        UserError: wrong input; one sentence says what, where, and what to do.
        GoalError: nothing could be made within the budget.
    """
    from petiole.search.config import SearchConfig
    from petiole.search.limits import Limits
    from petiole.search.recipe import read_recipe

    given = (max_drop, min_accuracy, max_latency_ms, max_size, max_macs)
    if recipe is not None and all(each is None for each in given):
        limits = Limits(**{"max_drop": None, **read_recipe(recipe).limits.model_dump(exclude_none=True)})
    else:
        if max_drop is None and min_accuracy is None:
            max_drop = 1.0
        limits = Limits(
            objective=objective, max_drop=None if max_drop is None else max_drop / 100,
            min_accuracy=None if min_accuracy is None else min_accuracy / 100, max_latency_ms=max_latency_ms,
            max_bytes=None if max_size is None else int(max_size), max_macs=None if max_macs is None else int(max_macs),
        )  # fmt: skip
    options = {"sizes": size, "macs": macs, "amounts": amount, "quantizations": quantization}
    narrowed: dict[str, Any] = {key: tuple(given) for key, given in options.items() if given is not None}
    config = SearchConfig(
        data=data, out=out, limits=limits, budget_s=budget_s, backbones=tuple(backbone), weights=weights,
        offline=offline, finalists=finalists, study=study, recipe=recipe, seed=seed,
        **narrowed,
    ).checked()  # fmt: skip
    # Heavy libraries come after that: a wrong option is told at once.
    from petiole.report.html import write_search_report
    from petiole.report.readme import write_search_readme
    from petiole.search.run import run_search

    def deliver(results: SearchResults) -> None:
        write_search_report(out, results)
        write_search_readme(out, results)

    return run_search(config, command=_command(), say=say, progress=sys.stderr.isatty(), deliver=deliver)


def require_chosen(results: SearchResults) -> Finalist:
    """The chosen network of a search.

    Raises:
        GoalError: none keeps the limits; the closest ones are named with what they break.
    """
    if results.chosen is not None:
        return results.chosen
    closest = "; ".join(
        f"{each.name}: {', '.join(f'{limit.limit} {limit.verdict} ({limit.found})' for limit in each.limits)}"
        for each in results.finalists
    )
    raise GoalError(f"no network was chosen; the closest ones: {closest or 'none could be made'}")


def check(data: Path, *, seed: int = 0) -> Photos:
    """Check a folder of photos as the lab would, and train nothing.

    Raises:
        UserError: the folder cannot be used, or the seed is out of range; the message says why.
    """
    from petiole.data.folder import check as check_folder

    require_seed("seed", seed)
    return check_folder(data, seed=seed, progress=sys.stderr.isatty())


def draw(out: Path, *, count: int = 398, seed: int = 0) -> Path:
    """Draw ``count`` photos of ants and bees into ``out``, in the layout of the hymenoptera archive; returns ``out``.

    Raises:
        UserError: too few photos, or ``out`` is there already or cannot be written.
    """
    from petiole.data.sources import draw as draw_photos

    return draw_photos(out, seed=seed, count=count, progress=sys.stderr.isatty()).root


def predict(
    artifact: Path, images: Sequence[str], *, runtime: str = "auto", batch: int = 1, threads: int | None = None,
    say: Callable[[str], None] = _print,
) -> Iterator[Prediction]:  # fmt: skip
    """The class of each photo, by an artifact alone; rows come as they are ready, in the order of ``images``.

    ``images`` are files, folders or patterns; the network sees ``batch`` photos in one call. A photo that cannot be
    read is a row with the reason. ``say`` gets what should be known beside the rows: the runtime and why it was chosen,
    and doubts. Where rows do not go to the terminal, it shows how far they are.

    Raises:
        UserError: the artifact is damaged or cannot take batches, nothing is named, or a folder cannot be read.
        GateError: the network does not give here what it gave where it was made.
    """
    from petiole.bench.machine import available_threads
    from petiole.deployed import AUTO, fastest, read
    from petiole.inference.predict import named_files
    from petiole.inference.predict import predict as rows
    from petiole.progress import bar

    total = sum(1 for _ in named_files(images))  # nothing is measured for nothing
    deployed, count = read(artifact), _threads(threads, available_threads())
    deployed.require_batch(batch)
    for warning in deployed.warnings:
        say(f"warning: {warning}")
    opened = (
        fastest(deployed, threads=count, say=say, batch=batch)
        if runtime == AUTO
        else deployed.open(runtime, threads=count)
    )
    for doubt in deployed.doubts(opened):
        say(f"warning: {doubt}")

    def counted() -> Iterator[Prediction]:
        terminal = sys.stderr.isatty() and not sys.stdout.isatty()
        with bar("predicting", total, unit="photo", say=lambda _: None, terminal=terminal) as tell:
            for done, row in enumerate(rows(deployed, opened, images, threads=count, batch=batch), 1):
                yield row
                tell(done, "")

    return counted()


def bench(
    artifacts: Sequence[Path], *, runtime: str = "auto", against: Sequence[str] = (), batch: int = 1,
    threads: int | None = None, samples: int = 1024, seed: int = 0, say: Callable[[str], None] = _print,
) -> Benchmark:  # fmt: skip
    """Time artifacts side by side on this machine, with the float network in eager torch as reference.

    Raises:
        UserError: an artifact is damaged, or does not run where it should.
        GateError: as :func:`predict`.
    """
    require_seed("seed", seed)
    from petiole.bench.machine import available_threads
    from petiole.inference.bench import bench as run
    from petiole.progress import bar

    with bar("timing", 32, unit="round", say=lambda _: None, terminal=sys.stderr.isatty()) as tell:
        return run(
            artifacts, runtime=runtime, against=against, batch=batch, threads=_threads(threads, available_threads()),
            samples=samples, seed=seed, say=say, progress=lambda done, _: tell(done, ""),
        )  # fmt: skip


def network(artifact: Path | str) -> "nn.Module":
    """The float network of an artifact with its weights, as training can go on from it: a pruned one is rebuilt from
    the plan in its card, without the channels that left.

    Raises:
        UserError: the artifact is damaged, or its weights are of another network.
    """
    from petiole.deployed import read, trainable

    return trainable(read(Path(artifact)))


def report(run: Path, other: Path | None = None, *, out: Path | None = None) -> Path:
    """Write a run's report again from its records alone; with ``other`` a comparison of the two runs, into ``out``.

    ``out`` is a new directory beside the first run if it is not given. Returns the path of ``report.html``.

    Raises:
        UserError: there are no records, or they cannot be read; ``out`` is given without a second run, or is a run.
    """
    from petiole.report.html import write_comparison, write_report, write_search_report
    from petiole.report.pairs import Side
    from petiole.report.readme import write_readme, write_search_readme

    results = read_any_results(run)
    if other is None:
        if out is not None:
            raise UserError("--out is for a comparison of two runs: the report of one run lies in its own directory")
        with RunDir(run).held() if (run / "state").is_dir() else nullcontext():  # not while a run delivers its own
            require_settled(run)
            if isinstance(results, SearchResults):
                path = write_search_report(run, results)
                write_search_readme(run, results)
                return path
            path = write_report(run, results)
            write_readme(run, results)
            return path
    first, second = run.resolve(), other.resolve()
    if first == second:
        raise UserError(f"{run} is named twice: name two runs to compare")
    depth = next(n for n in range(1, 1000) if first.parts[-n:] != second.parts[-n:])
    names = ["/".join(each.parts[-depth:]).removeprefix("//") for each in (first, second)]  # as long as they must be
    target = out or first.parent / f"{first.name}-and-{second.name}"
    for side in (run, other):
        require_settled(side)
    if (target / "results.json").exists():
        raise UserError(f"{target} is a run, whose report would be overwritten: choose another --out")
    sides = (
        Side(name=names[0], folder=run, results=results),
        Side(name=names[1], folder=other, results=read_any_results(other)),
    )
    return write_comparison(target, *sides)
