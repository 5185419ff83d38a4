"""Runs that are killed or stopped, and go on: the small version of ``benchmarks/interruptions.py``, and Ctrl-C."""

import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from petiole import api

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "interruptions.py"


def test_a_lab_that_is_killed_ends_with_the_records_and_files_of_one_that_is_not(tmp_path: Path) -> None:
    """Killed at three moments of a training, its export and its timing, one of them inside the writing of a file."""
    asked = ["--what", "lab", "--stages", "scratch", "--count", "20", "--kills", "3", "--work", str(tmp_path / "work")]
    done = subprocess.run([sys.executable, str(BENCHMARK), *asked], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "lab: 3 kills; equal" in done.stdout
    assert "too late" not in done.stdout


@pytest.mark.parametrize(("command", "number"), [("lab", signal.SIGINT), ("compress", signal.SIGTERM)])
def test_a_stopped_command_says_how_to_go_on(command: str, number: signal.Signals, tmp_path: Path) -> None:
    photos, out = api.draw(tmp_path / "photos", count=20), tmp_path / "my run"
    given = ["--data", str(photos), "--profile", "quick"] if command == "lab" else [str(photos)]
    asked = [command, *given, "--backbone", "efficientnet_lite0", "--offline", "--out", str(out)]
    with subprocess.Popen([sys.executable, "-m", "petiole", *asked], stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        said = [run.stderr.readline()]
        while "backbone" not in said[-1]:  # it is at work: the set-up has ended
            said.append(run.stderr.readline())
            assert said[-1], said
        run.send_signal(number)
        said += run.stderr.readlines()
        assert run.wait() == 130
    assert said[-1] == f"petiole: stopped; to go on where it was: {shlex.join(['petiole', *asked])}\n"
    assert "Traceback" not in "".join(said)


def test_a_command_that_keeps_nothing_only_says_that_it_was_stopped() -> None:
    code = (
        "import sys, os, signal; from petiole import api, cli\n"
        "api.check = lambda *_, **__: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.argv = ['petiole', 'check', 'photos']; cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "petiole: stopped\n")
