"""The command line: parse, call one function of :mod:`petiole.api`, exit; its codes are in docs/reference/cli.md."""

import contextlib
import errno
import io
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from petiole import __version__, cli_compress, cli_predict, cli_report, cli_stop, units
from petiole.cli_predict import Json, Runtime, Threads, aside, path
from petiole.errors import PetioleError, UserError
from petiole.processes import is_helper, processes

app = typer.Typer(
    help="From a folder of photos to a small, fast image classifier, with the proof beside it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Seed = Annotated[int, typer.Option(help="Seed of everything that is random.")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"petiole {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """From a folder of photos to a small, fast image classifier, with the proof beside it."""


@app.command(
    epilog="Example: petiole lab --data photos/hymenoptera_data --mnist . --out runs/first --author 'Your name'"
)
def lab(
    data: Annotated[
        Path | None,
        typer.Option(
            parser=path, help="Folder of photos (train/ and val/, or classes); the word synthetic draws them."
        ),
    ] = None,
    mnist: Annotated[Path | None, typer.Option(parser=path, help="Folder that holds MNIST/raw.")] = None,
    out: Annotated[Path, typer.Option(parser=path, help="Run directory; a run that was stopped goes on there.")] = Path(
        "runs/lab"
    ),
    backbone: Annotated[
        str | None,
        typer.Option(help="alexnet, resnet18, efficientnet_lite0, or any name of torchvision or timm."),
    ] = None,
    weights: Annotated[str | None, typer.Option(help="File of pretrained weights, or the word random.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Never touch the network.")] = False,
    amount: Annotated[
        float,
        typer.Option(help="Share of weights, and of the first convolution's channels, to prune, between 0 and 1."),
    ] = 0.3,
    macs: Annotated[
        float | None,
        typer.Option(help="Share of the multiply-accumulates that structured pruning leaves, between 0 and 1 (0.45)."),
    ] = None,
    channels: Annotated[
        float | None,
        typer.Option(help="Share of the inner layers' channels that leaves, instead of --macs (see --spread)."),
    ] = None,
    schedule: Annotated[
        str, typer.Option(help="How pruning goes on where it has several steps: cubic, linear, one-shot.")
    ] = "cubic",
    prune_steps: Annotated[
        int | None,
        typer.Option(
            help="Steps of pruning, each followed by retraining (2, but channels of photo networks leave in one)."
        ),
    ] = None,
    importance: Annotated[
        str,
        typer.Option(
            help="Which channels leave first: contribution, random, l1, l2, taylor, bn_scale (layers without BatchNorm "
            "stay whole; LeNet, which has none: contribution)."
        ),
    ] = "contribution",
    spread: Annotated[
        str,
        typer.Option(
            help="How many channels leave where: global (all layers compared), uniform (the same share of each), "
            "sensitivity (more where less depends on it; no more than was measured, 75%). LeNet: global."
        ),
    ] = "global",
    reestimate: Annotated[
        bool, typer.Option("--reestimate", help="Estimate BatchNorm's statistics anew before each retraining.")
    ] = False,
    study: Annotated[
        bool,
        typer.Option(
            "--study",
            help="Pruning in depth: accuracy against amount before and after retraining, a control, sensitivities.",
        ),
    ] = False,
    max_drop: Annotated[
        float, typer.Option(help="Points of accuracy that static int8 (pt2e) may lose before layers go back to float.")
    ] = 1.0,
    seed: Seed = 0,
    seeds: Annotated[int, typer.Option(help="Repeat everything with so many seeds; report mean and interval.")] = 1,
    author: Annotated[list[str] | None, typer.Option(help="Name on the report's first page; repeatable.")] = None,
    stages: Annotated[
        str,
        typer.Option(help="Chapters, with commas: scratch,transfer,pruning,structured,demos,quantization,lenet."),
    ] = "",
    profile: Annotated[str, typer.Option(help="lab, or quick: a small version for trying out.")] = "lab",
    demo_seed: Annotated[int, typer.Option(help="Seed of demo-dtype's layer and input; the handout's is 123.")] = 123,
    count: Annotated[int | None, typer.Option(help="Number of drawn photos, where photos are drawn.")] = None,
    bundle: Annotated[
        bool, typer.Option("--bundle", help="Write hand-in.zip too: report, records, Readme and source, no weights.")
    ] = False,
    bundle_weights: Annotated[bool, typer.Option("--bundle-weights", help="The same with all artifacts.")] = False,
    as_json: Json = False,
) -> None:
    """Run the whole lab: transfer, prune, quantize, measure, report."""
    from petiole import api
    from petiole.lab.config import STAGES

    chosen = [stage.strip() for stage in stages.split(",") if stage.strip()] if stages else list(STAGES)
    if not chosen:
        raise UserError(f"--stages {stages} names none: choose from {', '.join(STAGES)}")
    results = api.lab(
        data=data, mnist=mnist, out=out, backbone=backbone, weights=weights, offline=offline, amount=amount,
        seed=seed, seeds=seeds, author=author or [], stages=chosen, profile=profile, count=count, demo_seed=demo_seed,
        max_drop=max_drop, macs=macs, channels=channels, schedule=schedule, prune_steps=prune_steps,
        importance=importance, spread=spread, reestimate=reestimate, study=study, bundle=bundle,
        bundle_weights=bundle_weights,
        say=lambda text: typer.echo(text, err=True),
    )  # fmt: skip
    if as_json:
        from petiole.records import to_json

        typer.echo(to_json(results), nl=False)
    else:
        from rich.console import Console

        from petiole.report.terminal import print_summary

        print_summary(results, out, Console())
    if results.failures:
        raise typer.Exit(1)


app.command(epilog=cli_compress.EXAMPLES)(cli_compress.compress)


@app.command(epilog="Example: petiole check photos/")
def check(
    data: Annotated[Path, typer.Argument(parser=path, help="Folder of photos.")],
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Check a folder of photos: classes, counts, files that cannot be used, duplicates."""
    from petiole import api

    photos = api.check(data, seed=seed)
    if as_json:
        typer.echo(json.dumps(photos.model_dump(mode="json"), indent=1))
        return
    if photos.synthetic:
        typer.echo("SYNTHETIC: these photos are drawn, not taken")
    typer.echo(f"{photos.train} photos for training, {photos.test} for testing")
    if photos.note:
        typer.echo(f"  {photos.note}")
    for name in photos.classes:
        typer.echo(
            f"  {units.one_line(name)}: {photos.train_by_class[name]} training, {photos.test_by_class[name]} test"
        )
    for file in photos.skipped:
        typer.echo(units.one_line(f"  skipped {file.path}: {file.why}"))
    for group in photos.duplicates:
        typer.echo(units.one_line(f"  the same photo in both splits: {', '.join(group)}"))
    for group in photos.contradictions:
        typer.echo(units.one_line(f"  the same photo under different labels: {', '.join(group)}"))


@app.command(epilog="Example: petiole draw drawn/ --count 1000 --seed 7")
def draw(
    out: Annotated[
        Path, typer.Argument(parser=path, help="Folder to make; it gets train/ and val/, each with ants/ and bees/.")
    ],
    count: Annotated[int, typer.Option(help="Number of photos in both splits together.")] = 398,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Draw ants and bees, the photos that the lab falls back to."""
    from petiole import api

    drawn = api.draw(out, count=count, seed=seed)
    result = {"photos": str(drawn), "count": count, "synthetic": True}
    typer.echo(json.dumps(result) if as_json else f"{count} photos drawn (synthetic): {drawn}")


app.command(epilog=cli_report.EXAMPLES)(cli_report.report)


app.command(epilog=cli_predict.EXAMPLE)(cli_predict.predict)


@app.command(epilog="Example: petiole bench runs/lab/artifacts/CNNOptimized-static-int8 --against onnxruntime")
def bench(
    artifacts: Annotated[list[Path], typer.Argument(parser=path, help="Artifact directories.")],
    runtime: Runtime = "auto",
    against: Annotated[list[str] | None, typer.Option(help="Another runtime to time as well; repeatable.")] = None,
    batch: Annotated[int, typer.Option(help="Pictures in one call.")] = 1,
    threads: Threads = None,
    samples: Annotated[int, typer.Option(help="Timed calls of each, at least.")] = 1024,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Time artifacts side by side on this machine."""
    from petiole import api

    result = api.bench(
        artifacts, runtime=runtime, against=against or [], batch=batch, threads=threads, samples=samples, seed=seed,
        say=aside,
    )  # fmt: skip
    if as_json:
        typer.echo(result.model_dump_json(indent=1))
    else:
        from rich.console import Console

        from petiole.report.terminal import print_benchmark

        print_benchmark(result, Console(), Console(stderr=True))


REFUSALS = {
    errno.EACCES: "no permission: give yourself the permission, or name another place",
    errno.EPERM: "no permission: give yourself the permission, or name another place",
    errno.ENAMETOOLONG: "the name is too long: name another place",
    errno.ELOOP: "the links lead in a circle: name another place",
    errno.ENOTDIR: "a part of that path is a file: name another place",
    errno.ENOSPC: "no space left there: free some, or name another place",
    errno.EDQUOT: "the disk quota is used up: free some space, or name another place",
    errno.EFBIG: "no file may become so large: raise the limit (ulimit -f), or name another place",
    errno.EROFS: "the place is read-only: name another one",
}
"""What the system may refuse wherever a path is looked at, and what to do; anything else is an error of ours."""


def main() -> None:
    """Entry point: errors of ours end in one sentence and their exit code, and so does Ctrl-C."""
    cli_stop.heed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names that the terminal's encoding lacks
    try:
        if is_helper():
            from petiole.training.crew import help_along

            help_along()
        else:
            _lead()
    except cli_stop.Stopped:
        cli_stop.ignore()
        _tell(cli_stop.last_words(sys.argv[1:]))
        cli_stop.leave()


def _tell(sentence: str) -> None:
    with contextlib.suppress(OSError):  # where nothing can be said, the exit code still tells
        typer.echo(units.one_line(f"petiole: {sentence}"), err=True)


def _lead() -> None:
    """Do what the command line says; helpers, where there are any, are dismissed in the end."""
    code = 0
    try:
        app()
    except PetioleError as error:
        _tell(str(error))
        code = error.exit_code
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        where = error.filename if isinstance(error.filename, str) else "standard output"
        _tell(f"{where}: {REFUSALS[error.errno]}")
        code = UserError.exit_code
    except SystemExit as end:  # how typer ends
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
    if processes() > 1:
        from petiole.training.crew import dismiss

        dismiss()
    cli_stop.ignore()  # all is written and said: what is left is Python's own end
    sys.exit(code)
