"""What a network called each test picture, read back from the file of it that its records name."""

import hashlib
import json
from pathlib import Path
from typing import Any

from petiole.errors import UserError
from petiole.records import Variant

KEYS = ("labels", "predicted")


def read_called(run_dir: Path, row: Variant) -> dict[str, list[Any]]:
    """``labels`` and ``predicted`` (class numbers) and the ``probability`` of that, a number for each test picture.

    Raises:
        UserError: the records name no file, or it is missing, damaged, or not the one that was written.
    """
    if row.predictions is None:
        raise UserError(f"the records in {run_dir} name no predictions of {row.name}: run its stage again")
    path, again = run_dir / row.predictions, "give the run's command again to make it anew"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({(error.strerror or str(error)).lower()}): {again}") from error
    if row.predictions_sha256 and hashlib.sha256(content).hexdigest() != row.predictions_sha256:
        raise UserError(f"{path} is not the file that was written (its checksum differs): {again}")
    try:
        called: dict[str, list[Any]] = json.loads(content)
        counts = {len(called[key]) for key in KEYS}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({error}): {again}") from error
    if counts != {row.accuracy.total}:
        raise UserError(f"{path} is damaged (not a row for each of {row.accuracy.total:,} pictures): {again}")
    return called


def right(run_dir: Path, row: Variant) -> list[bool]:
    """Whether each test picture was called rightly.

    Raises:
        UserError: as :func:`read_called` does.
    """
    called = read_called(run_dir, row)
    return [label == predicted for label, predicted in zip(called["labels"], called["predicted"], strict=True)]
