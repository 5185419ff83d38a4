"""Runs that are killed or stopped, and go on: the small version of ``benchmarks/interruptions.py``, and Ctrl-C."""

import importlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from petiole import api, cli_stop
from petiole.errors import without_password
from petiole.training import checkpoint

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

ROOT = Path(__file__).parents[1]
DYING = """
import os, signal, sys
from petiole import cli
from petiole.training import checkpoint

checkpoint.EVERY_S = 0.0
left, replace = int(sys.argv[1]), os.replace

def dying(source, target):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)

os.replace = dying
sys.argv = ["petiole", *sys.argv[2:]]
cli.main()
"""
"""The command line in a process that is killed when it is about to give the n-th file or folder its name."""


@pytest.fixture(autouse=True)
def signals_are_heard() -> Iterator[None]:
    """Processes started here hear Ctrl-C also where these tests are a script's job in the background."""
    before = {each: signal.signal(each, signal.SIG_DFL) for each in cli_stop.SIGNALS}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


@pytest.fixture
def differences(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, Path], Iterator[str]]:
    """How ``benchmarks/interruptions.py`` compares two runs."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    compare: Callable[[Path, Path], Iterator[str]] = importlib.import_module("interruptions")._differences
    return compare


def test_a_lab_that_is_killed_ends_with_the_records_and_files_of_one_that_is_not(
    differences: Callable[[Path, Path], Iterator[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at its fifth write, which is within the training; the next process is killed when the artifact is about
    to take its place; the third one ends the run."""
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)
    photos, renamed, replace = api.draw(tmp_path / "photos", count=20), list[str](), os.replace
    said: list[str] = []

    def lab(out: Path) -> None:
        api.lab(data=photos, profile="quick", stages=["scratch"], backbone="efficientnet_lite0", offline=True, out=out,
                say=said.append)  # fmt: skip

    def watched(source: Path, target: Path) -> None:
        renamed.append(Path(target).name)
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", watched)
        lab(tmp_path / "whole")
    epochs = [at for at, name in enumerate(renamed, start=1) if name.endswith(".pt")]
    assert epochs[0] + 2 <= 5 < epochs[-1], "the fifth write keeps a training"
    kept = 5 - epochs[0]  # epochs that the first process leaves behind; the second one keeps all others
    artifact = renamed.index("CNNScratch") + 1 - kept
    command = ["lab", "--data", str(photos), "--profile", "quick", "--stages", "scratch", "--offline",
               "--backbone", "efficientnet_lite0", "--out", str(tmp_path / "killed")]  # fmt: skip
    for write in (5, artifact):
        dying = subprocess.run([sys.executable, "-c", DYING, str(write), *command], capture_output=True, check=False)
        assert dying.returncode == -signal.SIGKILL
        assert not (tmp_path / "killed" / "artifacts" / "CNNScratch").exists()
    assert f"CNNScratch: goes on after epoch {kept}" in dying.stderr.decode()
    said.clear()
    lab(tmp_path / "killed")
    assert f"CNNScratch: goes on after epoch {len(epochs)}" in said
    assert [*differences(tmp_path / "whole", tmp_path / "killed")] == []


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


@pytest.mark.parametrize(
    ("module", "ending", "code", "words"),
    [
        ("petiole.data.folder", "Ctrl-C", 130, "petiole: stopped"),
        ("petiole.inference.predict", "Ctrl-C", 130, "petiole: stopped"),
        ("petiole.inference.predict", "mistake", 2, "petiole: a folder that cannot be read"),
    ],
)
def test_nobody_waits_for_a_file_that_never_answers(
    module: str, ending: str, code: int, words: str, tmp_path: Path
) -> None:
    """On a server that is gone, for example: what reads it can be stopped by nobody."""
    photos = api.draw(tmp_path / "photos", count=8)
    program = f"""
import os, signal, sys, threading, time
import {module} as module
from petiole import __main__, api, cli_predict
from petiole.errors import UserError

def mistaken(images):
    yield module.Named(images[0])
    raise UserError("a folder that cannot be read")

module.read_file = lambda path: time.sleep(600)
if {ending!r} == "Ctrl-C":
    threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
else:
    module.named_files = mistaken
if "predict" in module.__name__:
    card = type("Card", (), {{"preprocessing": None, "classes": []}})
    rows = module.predict(type("Deployed", (), {{"card": card}}), None, [{str(photos)!r}], threads=2)
    api.predict = lambda *given, **options: rows
sys.argv = ["petiole", *{["predict", "a", "b"] if "predict" in module else ["check", str(photos)]}]
__main__.main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (code, words)


@pytest.mark.parametrize("number", cli_stop.SIGNALS)
def test_a_signal_that_arrives_where_nothing_can_be_raised_is_not_lost(number: signal.Signals) -> None:
    """Twice while an object is deleted, then in a wait: an exception of ``__del__`` is dropped by Python."""
    code = f"""
import os, signal, time
from petiole import cli_stop

cli_stop.heed()

class Dying:
    def __del__(self):
        os.kill(os.getpid(), {number.value})
        time.sleep(0)
        print("deleted")  # not reached: Stopped was raised in here

try:
    Dying()
    Dying()
    time.sleep(20)
except cli_stop.Stopped:
    print("stopped")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=15)
    assert (done.returncode, done.stdout, done.stderr) == (0, "stopped\n", "")


@pytest.mark.parametrize("number", cli_stop.SIGNALS)
@pytest.mark.parametrize("verb", ["check", "lab"])
def test_a_signal_while_a_library_is_imported_ends_it(verb: str, number: signal.Signals, tmp_path: Path) -> None:
    """The large ones lose the exception, or abort: this one takes it for a module that is not there."""
    (tmp_path / "large.py").write_text(
        f"import os\ntry:\n    os.kill(os.getpid(), {number.value})\nexcept BaseException:\n    pass\n",
        encoding="utf-8",
    )
    code = f"import sys; from petiole import cli_stop; cli_stop.heed(); sys.argv = ['petiole', {verb!r}]; import large"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    words = "petiole: stopped" + ("; to go on where it was: petiole lab" if verb == "lab" else "")
    assert (done.returncode, done.stderr) == (130, f"{words}\n")


@pytest.mark.parametrize("number", cli_stop.SIGNALS)
def test_a_signal_that_is_ignored_when_the_command_begins_stays_ignored(number: signal.Signals) -> None:
    """A shell has its script's jobs in the background ignore Ctrl-C, and ``nohup`` is of that kind."""
    heed = (
        "import os, signal; from petiole import cli_stop; cli_stop.heed()\n"
        f"os.kill(os.getpid(), {number.value}); print('went on')\n"
    )
    command = [sys.executable, "-c", heed]
    signal.signal(number, signal.SIG_IGN)
    ignoring = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ignoring.returncode, ignoring.stdout, ignoring.stderr) == (0, "went on\n", "")
    signal.signal(number, signal.SIG_DFL)
    stopped = subprocess.run(command, capture_output=True, text=True, check=False)
    assert stopped.stdout == ""
    assert "petiole.cli_stop.Stopped" in stopped.stderr


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("postgresql://me:secret@host/name", "postgresql://me:***@host/name"),
        ("postgresql://me:secret%40/:x@host/name", "postgresql://me:***@host/name"),
        ("--study=mysql://h/n?user=me&passwd=secret", "--study=mysql://h/n?user=me&passwd=***"),
        ("postgresql://h/n?password=secret&user=me", "postgresql://h/n?password=***&user=me"),
        ("mssql://h/n?PWD=secret;UID=me", "mssql://h/n?PWD=***;UID=me"),
        ("postgresql://me@host/name", "postgresql://me@host/name"),
        ("a folder?pwd=3", "a folder?pwd=3"),
        ("sqlite:///study.db", "sqlite:///study.db"),
    ],
)
def test_no_password_is_shown(given: str, shown: str) -> None:
    assert without_password(given) == shown
    assert cli_stop.last_words(["compress", given]) == (
        f"stopped; to go on where it was: {shlex.join(['petiole', 'compress', shown])}"
    )


def test_a_command_that_is_stopped_while_it_is_imported_says_so_too() -> None:
    at_import = (
        "import os, signal, sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'typer':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "from petiole.__main__ import main; main()\n"
    )
    done = subprocess.run([sys.executable, "-c", at_import], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "petiole: stopped\n")
