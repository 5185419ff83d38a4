"""``petiole report``: parse, call :func:`petiole.api.report`, say where the report lies."""

import json
from pathlib import Path
from typing import Annotated

import typer

from petiole.cli_predict import path

EXAMPLES = "Examples: petiole report runs/first   -   petiole report runs/alexnet runs/resnet18 --out compared"


def report(
    run: Annotated[Path, typer.Argument(parser=path, help="Run directory.")],
    other: Annotated[Path | None, typer.Argument(parser=path, help="Another run, to be compared with it.")] = None,
    out: Annotated[
        Path | None, typer.Option(parser=path, help="Directory of a comparison; beside the first run, if not given.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Write a run's report again from its records, or compare two runs."""
    from petiole import api

    path = api.report(run, other, out=out)
    typer.echo(json.dumps({"report": str(path)}) if as_json else f"report: {path}")
