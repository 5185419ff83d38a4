"""A file of predictions is read back as it was written, or told by its name."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fabricated import accuracy, variant
from petiole.called import read_called, right
from petiole.errors import UserError
from petiole.records import Variant

CALLED = {"labels": [0, 1, 1], "predicted": [0, 1, 0], "probability": [0.9, 0.8, 0.6]}


def stored(folder: Path, content: Any = CALLED, **changes: Any) -> Variant:
    text = json.dumps(content)
    (folder / "p.json").write_text(text, encoding="utf-8")
    checksum = hashlib.sha256(text.encode()).hexdigest()
    return variant("A", 2, **{
        "accuracy": accuracy(2, 3), "predictions": "p.json", "predictions_sha256": checksum, **changes
    })  # fmt: skip


def test_it_is_read_back(tmp_path: Path) -> None:
    assert read_called(tmp_path, stored(tmp_path)) == CALLED
    assert right(tmp_path, stored(tmp_path)) == [True, True, False]
    assert right(tmp_path, stored(tmp_path, predictions_sha256="")) == [True, True, False], "older records"


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "lost": (Path.unlink, "cannot be read"),
    "one answer altered": (lambda path: path.write_text(path.read_text().replace("[0, 1, 0]", "[0, 1, 1]")), "written"),
    "cut short": (lambda path: path.write_bytes(path.read_bytes()[:20]), "is not the file that was written"),
}


@pytest.mark.parametrize(("damage", "words"), DAMAGES.values(), ids=DAMAGES)
def test_a_file_that_changed_is_told(damage: Callable[[Path], object], words: str, tmp_path: Path) -> None:
    row = stored(tmp_path)
    damage(tmp_path / "p.json")
    with pytest.raises(UserError, match=rf"p\.json .*{words}"):
        read_called(tmp_path, row)


@pytest.mark.parametrize(
    "content", [[], {"labels": [0, 1, 1]}, {"labels": 3, "predicted": 3}, {**CALLED, "labels": [0]}]
)
def test_a_file_of_another_kind_is_damaged(content: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is damaged"):
        read_called(tmp_path, stored(tmp_path, content))


def test_records_without_a_file_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="name no predictions of A"):
        read_called(tmp_path, variant("A", 2))
