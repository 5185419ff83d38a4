"""``petiole compress`` on the command line: its options, and how its limits are written."""

from pathlib import Path
from typing import Annotated

import typer

from petiole import units
from petiole.cli_predict import path
from petiole.errors import UserError

EXAMPLES = (
    "Examples: petiole compress photos/ --max-drop 1   -   petiole compress photos/ --objective accuracy "
    "--max-latency 2ms --max-size 3MB --budget 30m   -   petiole compress photos/ --recipe runs/compress/chosen.toml "
    "--out runs/again"
)


def compress(
    data: Annotated[
        Path, typer.Argument(parser=path, help="Folder of photos: train/ and val/ or test/, or one folder per class.")
    ],
    out: Annotated[
        Path, typer.Option(parser=path, help="Directory of the search; one that was stopped goes on there.")
    ] = Path("runs/compress"),
    objective: Annotated[
        str, typer.Option(help="What is made small: latency, size, macs; or accuracy, made high within the limits.")
    ] = "latency",
    max_drop: Annotated[
        float | None,
        typer.Option(help="Points of accuracy that it may lose against the float reference (1 if nothing is given)."),
    ] = None,
    min_accuracy: Annotated[float | None, typer.Option(help="Accuracy that it must have, in per cent.")] = None,
    max_latency: Annotated[
        str | None, typer.Option(help="Time that one picture may take on this machine, such as 2ms.")
    ] = None,
    max_size: Annotated[str | None, typer.Option(help="Size that the deployed file may have, such as 2MB.")] = None,
    max_macs: Annotated[str | None, typer.Option(help="Multiply-accumulates that it may need, such as 150M.")] = None,
    budget: Annotated[
        str, typer.Option(help="Time for all of it, such as 15m or 2h; the end may take longer.")
    ] = "15m",
    backbone: Annotated[
        list[str] | None,
        typer.Option(help="Pretrained network to try; repeatable. Those whose weights are here, if not given."),
    ] = None,
    weights: Annotated[str | None, typer.Option(help="File of pretrained weights, or the word random.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Never touch the network.")] = False,
    size: Annotated[
        list[int] | None, typer.Option(help="Input size in pixels to try; repeatable. Four, if not given.")
    ] = None,
    macs: Annotated[
        list[float] | None, typer.Option(help="Share of the multiply-accumulates to try; repeatable.")
    ] = None,
    amount: Annotated[
        list[float] | None,
        typer.Option(help="Share of weights to set to zero, to try; repeatable. Zeros make no file or time smaller."),
    ] = None,
    quantization: Annotated[
        list[str] | None, typer.Option(help="none, static, mixed or qat, to try; repeatable. All, if not given.")
    ] = None,
    finalists: Annotated[int, typer.Option(help="How many are made from all photos and judged on the test split.")] = 2,
    study: Annotated[
        str | None,
        typer.Option(help="Database that several machines search with, such as postgresql://user@host/name."),
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(parser=path, help="Make the network of this chosen.toml, without a search.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything that is random.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Find the smallest or fastest network for a folder of photos, within limits, with the proof beside it.

    Ends with 3 if no network keeps the limits.
    """
    from petiole import api

    results = api.compress(
        data, out=out, objective=objective, max_drop=max_drop, min_accuracy=min_accuracy,
        max_latency_ms=_read("--max-latency", max_latency, "time"), max_size=_read("--max-size", max_size, "size"),
        max_macs=_read("--max-macs", max_macs, "count"), budget_s=_read("--budget", budget, "duration") or 0.0,
        backbone=backbone or (), weights=weights, offline=offline, size=size, macs=macs, amount=amount,
        quantization=quantization, finalists=finalists, study=study, recipe=recipe, seed=seed,
        say=lambda text: typer.echo(text, err=True),
    )  # fmt: skip
    if as_json:
        from petiole.records import to_json

        typer.echo(to_json(results), nl=False)
    else:
        from rich.console import Console

        from petiole.report.compress_terminal import print_search

        print_search(results, out, Console())
    api.require_chosen(results)


def _read(option: str, text: str | None, measure: str) -> float | None:
    try:
        return None if text is None else units.read(text, measure)
    except ValueError as error:
        raise UserError(f"{option}: {error}") from error
