"""``petiole predict`` on the command line: rows as they come, as lines or as one JSON document."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from petiole import units
from petiole.errors import UserError
from petiole.inference_records import Prediction

EXAMPLE = "Example: petiole predict runs/lab/artifacts/CNNOptimized-static-int8 photo.jpg 'holiday/*.jpg'"

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Runtime = Annotated[str, typer.Option(help="openvino, onnxruntime, torch, or auto: measure and take the fastest.")]
Threads = Annotated[int | None, typer.Option(help="Threads of the runtime; all available ones if not given.")]


def path(text: str | Path) -> Path:
    """A path as it is given; an empty one would be the current directory.

    Raises:
        UserError: it is empty.
    """
    if not str(text):
        raise UserError("a path is empty: name a file or a directory (the current one is .)")
    return Path(text)


def aside(text: str) -> None:
    """Say it beside the result."""
    typer.echo(text, err=True)


def predict(
    artifact: Annotated[Path, typer.Argument(parser=path, help="Artifact directory.")],
    images: Annotated[list[str], typer.Argument(help="Photos, folders of photos, or patterns in quotes.")],
    runtime: Runtime = "auto",
    batch: Annotated[int, typer.Option(help="Photos that the network sees in one call.")] = 1,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Say what is on photos, with nothing but an artifact.

    The milliseconds are those of the network's call, shared by the photos in it, while the next photos are decoded on
    the same cores: petiole bench times the network alone.

    Ends with 0 if any photo could be read, else with 2; with 1 if the network does not answer as where it was made.
    """
    from petiole import api

    unread, total = 0, 0
    notes: list[str] = []

    def counted() -> Iterator[Prediction]:
        nonlocal unread, total
        say = notes.append if as_json else aside
        for row in api.predict(artifact, images, runtime=runtime, batch=batch, threads=threads, say=say):
            total, unread = total + 1, unread + (row.why is not None)
            yield row

    lines = _document(artifact, notes, counted()) if as_json else _table(counted())
    for line in lines:
        typer.echo(line)
    if unread:
        aside(f"{unread} of {units.counted(total, 'picture')} could not be read")
    if unread == total:
        raise typer.Exit(2)


def _table(rows: Iterator[Prediction]) -> Iterator[str]:
    """A line for each row. What stands above them is said aside, so that the output has a line for each photo."""
    from petiole.report.terminal import PREDICTIONS, prediction_line

    for at, row in enumerate(rows):
        if at == 0:
            aside(PREDICTIONS)
        yield prediction_line(row)


def _document(artifact: Path, notes: list[str], rows: Iterator[Prediction]) -> Iterator[str]:
    """The lines of one JSON document, one for each row. What is noted before the first row is in it."""
    row = next(rows)
    yield f'{{"artifact": {json.dumps(str(artifact))}, "notes": {json.dumps(notes)}, "rows": ['
    for following in rows:
        yield f"{_json(row)},"
        row = following
    yield f"{_json(row)}]}}"


def _json(row: Prediction) -> str:
    return json.dumps(row.model_dump(mode="json"))
