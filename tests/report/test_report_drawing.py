"""Charts drawn by other processes: the same SVG, and nobody left behind."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from petiole.report.drawing import board, draw


def bar(height: int) -> dict[str, Any]:
    return {
        "data": {"values": [{"name": "a \N{GREEK SMALL LETTER ALPHA}\n<b>", "count": height}]},
        "mark": "bar",
        "encoding": {"x": {"field": "name", "type": "nominal"}, "y": {"field": "count", "type": "quantitative"}},
    }


def test_whoever_draws_it_is_the_same() -> None:
    here = [draw(bar(height), str.strip).result() for height in (1, 2, 3)]
    with board():
        there = [draw(bar(height), str.strip) for height in (1, 2, 3)]
        assert [each.result() for each in there] == here
    assert len(set(here)) == 3
    assert all(each.startswith("<svg") for each in here)


@pytest.fixture
def artists(monkeypatch: pytest.MonkeyPatch) -> list["subprocess.Popen[bytes]"]:
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def starting(*arguments: Any, **options: Any) -> "subprocess.Popen[bytes]":
        started.append(popen(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", starting)
    return started


def test_the_artists_leave_with_whoever_asked(artists: "list[subprocess.Popen[bytes]]") -> None:
    def ask_and_leave() -> None:
        with board():
            for height in range(100):
                draw(bar(height), str.strip)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask_and_leave()
    assert artists
    assert None not in [each.returncode for each in artists]


def test_the_artists_end_when_all_is_drawn(artists: "list[subprocess.Popen[bytes]]") -> None:
    with board():
        assert draw(bar(1), str.strip).result()
    assert artists
    assert [each.returncode for each in artists] == [0] * len(artists)


def test_nobody_waits_for_an_artist_that_is_stuck(artists: "list[subprocess.Popen[bytes]]") -> None:
    def leave_while_it_draws() -> None:
        with board():
            for each in artists:
                os.kill(each.pid, signal.SIGSTOP)
            draw(bar(1), str.strip)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leave_while_it_draws()
    assert [each.returncode for each in artists] == [-signal.SIGKILL] * len(artists)


def test_an_artist_that_ended_is_told(artists: "list[subprocess.Popen[bytes]]") -> None:
    with board():
        for each in artists:
            os.kill(each.pid, signal.SIGKILL)
            each.wait()
        for _ in range(3):
            with pytest.raises(RuntimeError, match="the process that draws charts has ended"):
                draw(bar(1), str.strip).result()


def test_a_module_of_the_users_is_not_taken_for_pythons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python looks into the present directory first where it runs a command."""
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong one')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with board():
        assert draw(bar(1), str.strip).result().startswith("<svg")
