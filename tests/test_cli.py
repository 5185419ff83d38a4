"""The command line's manners: exit codes, one sentence, no traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def petiole(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "petiole", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_help_names_every_verb() -> None:
    text = petiole("--help").stdout
    for verb in ("lab", "compress", "check", "draw", "report"):
        assert f"  {verb} " in text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["lab", "--amount", "1.5", "--offline"], "--amount 1.5 is not between 0 and 1"),
        (["lab", "--channels", "0.4", "--macs", "0.45"], "--channels 0.4 and --macs 0.45 both say how many channels"),
        (["lab", "--stages", "prune", "--offline"], "unknown stage 'prune': choose from scratch"),
        (["lab", "--profile", "fast"], "unknown profile 'fast': choose from lab, quick"),
        (["lab", "--backbone", "resnet19", "--offline"], "unknown backbone 'resnet19'"),
        (["lab", "--seeds", "0"], "--seeds 0 is out of range: give 1 to 1000"),
        (["lab", "--seeds", "1000000000000"], "--seeds 1000000000000 is out of range: give 1 to 1000"),
        (["lab", "--seed", "2147483647", "--seeds", "3"], "--seeds 3 is out of range: give 1 to 1"),
        (["compress", "nowhere"], "nowhere"),
        (["compress", ".", "--max-latency", "fast"], "--max-latency: 'fast' is no time: write it like 2us, 2ms, 2s"),
        (["compress", ".", "--max-drop", "200"], "--max-drop 200 is out of range"),
        (["compress", ".", "--recipe", "none.toml"], "no such recipe: none.toml; give the chosen.toml"),
        (["compress", ".", "--offline"], "--out runs/compress lies among the photos in ."),
        (["check", "nowhere"], "nowhere"),
        (["report", "nowhere"], "no results.json in nowhere"),
        (["lab", "--stages", ","], "--stages , names none: choose from scratch, transfer"),
        (["report", "n" * 300], "the name is too long"),
        (["predict", "n" * 300, "photo.jpg"], "the name is too long"),
        (["lab", "--out", "n" * 300], "the name is too long"),
        (["lab", "--out", ""], "a path is empty: name a file or a directory"),
        (["check", ""], "a path is empty: name a file or a directory"),
        (["compress", "photos", "--recipe="], "a path is empty: name a file or a directory"),
        (["bench", "artifact", ""], "a path is empty: name a file or a directory"),
        (["report", "run", "--out", ""], "a path is empty: name a file or a directory"),
    ],
)
def test_a_users_mistake_is_one_sentence_and_exit_2(
    arguments: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = petiole(*arguments)
    assert result.returncode == 2
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="the shell is a POSIX one")
@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_a_stream_that_the_shell_has_closed_is_no_mistake(closed: str, tmp_path: Path) -> None:
    command = f'"{sys.executable}" -m petiole draw "{tmp_path / "drawn"}" --count 8 {closed}'
    assert subprocess.run(["sh", "-c", command], capture_output=True, check=False).returncode == 0
    assert len(list((tmp_path / "drawn").rglob("*.jpg"))) == 8


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
def test_where_nothing_can_be_said_the_exit_code_still_tells() -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "petiole", "check", "nowhere"]
        assert subprocess.run(command, stderr=full, check=False).returncode == 2


def test_draw_makes_the_number_of_photos_asked_for(tmp_path: Path) -> None:
    result = petiole("draw", str(tmp_path / "drawn"), "--count", "10", "--json")
    assert json.loads(result.stdout) == {"photos": str(tmp_path / "drawn"), "count": 10, "synthetic": True}
    assert len(list((tmp_path / "drawn").rglob("*.jpg"))) == 10
    again = petiole("draw", str(tmp_path / "drawn"), "--count", "10")
    assert again.returncode == 2
    assert "draw into a new folder" in again.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are bytes there")
def test_words_that_are_no_text_end_in_records_that_can_be_read(tmp_path: Path) -> None:
    out = os.fsencode(tmp_path) + b"/bad\xff"
    petiole = [os.fsencode(sys.executable), b"-m", b"petiole"]
    options = [b"--stages", b"demos", b"--offline", b"--author", b"J\xfcrgen", b"--out", out]
    made = subprocess.run([*petiole, b"lab", *options], capture_output=True, check=False)
    assert (made.returncode, made.stderr.decode(errors="replace").count("Traceback")) == (0, 0)
    again = subprocess.run([*petiole, b"report", out], capture_output=True, check=False)
    assert again.returncode == 0
    with open(out + b"/Readme.txt", encoding="utf-8") as readme:
        assert "Team: J\\xfcrgen" in readme.read()
