"""``petiole predict`` on the command line: lines or one JSON document, written as rows come."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from petiole import api
from petiole.cli import app
from petiole.cli_predict import _document
from petiole.inference_records import Prediction

GOOD = Prediction(path="a.jpg", label="ants", probability=0.75, probabilities={"ants": 0.75, "bees": 0.25}, ms=1.5)
BAD = Prediction(path="b\n\x1b[31m.jpg", why="empty file")


def said(monkeypatch: pytest.MonkeyPatch, *rows: Prediction, options: tuple[str, ...] = ()) -> tuple[int, str, str]:
    """Exit code and both outputs of the command for an artifact that gives these rows."""

    def predict(artifact: Path, images: list[str], *, say: Any, **_: object) -> Iterator[Prediction]:
        say("runtime: one")
        return iter(rows)

    monkeypatch.setattr(api, "predict", predict)
    result = CliRunner().invoke(app, ["predict", "artifact", "photos", *options])
    return result.exit_code, result.stdout, result.stderr


def test_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = said(monkeypatch, GOOD, BAD)
    assert code == 0
    assert out.splitlines() == [
        "ants          75.0%    1.50 ms  a.jpg",
        r"-                               b\n\x1b[31m.jpg: empty file",
    ]
    assert err.splitlines() == [
        "runtime: one",
        "call: the network's, shared by its photos, while the next ones are decoded",
        "class         prob.       call  photo",
        "1 of 2 pictures could not be read",
    ]


@pytest.mark.parametrize(("rows", "code"), [([GOOD], 0), ([BAD], 2), ([GOOD, BAD, GOOD], 0), ([BAD, BAD], 2)])
def test_json_is_one_document(rows: list[Prediction], code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found, out, _ = said(monkeypatch, *rows, options=("--json",))
    assert found == code
    document = json.loads(out)
    assert (document["artifact"], document["notes"]) == ("artifact", ["runtime: one"])
    assert [Prediction(**row) for row in document["rows"]] == rows


def test_rows_are_written_as_they_come() -> None:
    """Of ten rows two are taken before the first one is written: a comma comes only if another one follows."""
    taken: list[int] = []

    def rows() -> Iterator[Prediction]:
        for at in range(10):
            taken.append(at)
            yield GOOD

    lines = _document(Path("artifact"), [], rows())
    next(lines)
    assert len(taken) == 1
    next(lines)
    assert len(taken) == 2


def checked(data: str) -> "subprocess.CompletedProcess[bytes]":
    """``petiole check`` on a terminal that knows the letters of Western Europe only."""
    command = [sys.executable, "-m", "petiole", "check", data]
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    return subprocess.run(command, capture_output=True, check=False, env=environment)


def test_a_name_that_is_no_text_ends_in_a_sentence(tmp_path: Path) -> None:
    """The terminal's encoding has no Chinese ant, and the byte is no text."""
    result = checked(str(tmp_path / "蟻") + os.fsdecode(b"\xff"))
    assert result.returncode == 2
    assert result.stderr.startswith(b"petiole: no such folder: ")
    assert rb"/\u87fb\xff; expected train/" in result.stderr


def test_check_prints_any_name_on_any_terminal(tmp_path: Path) -> None:
    for label in ("ants", "蟻"):
        (tmp_path / label).mkdir()
        for at in range(3):
            (tmp_path / label / f"{at}.ppm").write_bytes(b"P6 1 1 255\n" + bytes([at, len(label), 0]))
    (tmp_path / "ants" / "a\nb.jpg").write_bytes(b"")
    result = checked(str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert rb"  \u87fb: 2 training, 1 test" in result.stdout.splitlines()
    assert rb"  skipped ants/a\nb.jpg: empty file" in result.stdout.splitlines()
