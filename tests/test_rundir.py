"""The run directory: whole files or none, steps that count only for their basis, refusals in one sentence."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from petiole.errors import UserError
from petiole.rundir import OURS, RunDir, digest, require_settled
from petiole.search.run import RECIPES
from petiole.writing import UNFINISHED, user_errors, write_atomic


def names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def test_a_written_file_replaces_the_old_one_and_leaves_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.txt"
    write_atomic(target, "old")
    write_atomic(target, b"new")
    assert target.read_bytes() == b"new"
    assert names(target.parent) == ["file.txt"]
    assert target.stat().st_mode & 0o777 == 0o644


def test_a_write_that_fails_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "file.txt"
    write_atomic(target, "old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"file\.txt: no space left"):
        write_atomic(target, "new")
    assert target.read_text() == "old"
    assert names(tmp_path) == ["file.txt"]


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.EACCES, "permission"), (errno.EROFS, "read-only"), (errno.ENOTDIR, "is a file"), (errno.EFBIG, "ulimit")],
)
def test_refusals_become_one_sentence(number: int, words: str) -> None:
    with pytest.raises(UserError, match=words), user_errors(Path("there")):
        raise OSError(number, "refused")


def test_a_limit_on_the_size_of_files_is_told(tmp_path: Path) -> None:
    """``ulimit -f``, as a process that lowers it sees it."""
    write = (
        "import resource, sys; from pathlib import Path; from petiole.rundir import write_atomic\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "write_atomic(Path(sys.argv[1]), b'x' * 2000)\n"
    )
    target = tmp_path / "results.json"
    done = subprocess.run([sys.executable, "-c", write, str(target)], capture_output=True, text=True, check=False)
    assert f"UserError: cannot write {target}: no file may become so large: raise the limit" in done.stderr
    assert names(tmp_path) == []


def test_an_error_that_is_no_refusal_passes_unchanged() -> None:
    with pytest.raises(OSError, match="strange"), user_errors(Path("there")):
        raise OSError(errno.EIO, "strange")


def test_digest_sees_the_value_and_not_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
    assert len(digest(None)) == 16


def test_a_run_directory_is_made_and_a_file_in_its_way_is_refused(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "runs" / "first")
    assert names(run.path) == []
    assert run.results == run.path / "results.json"
    assert run.report == run.path / "report.html"
    assert run.artifact("LeNet") == run.path / "artifacts" / "LeNet"
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="choose another --out"):
        RunDir(tmp_path / "file")
    with pytest.raises(UserError, match="choose another --out"):
        RunDir(tmp_path / "file" / "below")


def test_a_step_counts_only_for_its_basis(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    assert run.load("scratch", {"seed": 0}) is None
    run.save("scratch", {"seed": 0}, {"accuracy": 0.7})
    assert RunDir(tmp_path).load("scratch", {"seed": 0}) == {"accuracy": 0.7}
    assert run.load("scratch", {"seed": 1}) is None
    assert run.load("transfer", {"seed": 0}) is None


def test_a_marker_with_another_number_means_do_it_again(tmp_path: Path) -> None:
    run, marker = RunDir(tmp_path), tmp_path / "state" / "scratch.json"
    run.save("scratch", 0, {"correct": 5, "share": 0.1 + 0.2})
    assert run.load("scratch", 0) == {"correct": 5, "share": 0.1 + 0.2}
    marker.write_text(marker.read_text(encoding="utf-8").replace("5", "8", 1), encoding="utf-8")
    assert run.load("scratch", 0) is None


def test_records_are_outdated_from_the_first_overwriting_until_they_are_written_anew(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    run.forget("scratch")
    require_settled(tmp_path)  # there are no records yet
    run.results.write_text("{}", encoding="utf-8")
    run.forget("scratch")
    with pytest.raises(UserError, match=r"is being made anew, .* give the command that was stopped there again"):
        require_settled(tmp_path)
    run.settle()
    require_settled(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", "\udc80", '{"x": ' + "1" * 5000 + "}"], ids=range(4))
def test_a_damaged_marker_means_do_it_again(tmp_path: Path, content: str) -> None:
    run = RunDir(tmp_path)
    run.save("scratch", 0, {"done": True})
    (tmp_path / "state" / "scratch.json").write_bytes(content.encode(errors="surrogateescape"))
    assert run.load("scratch", 0) is None


def test_replacing_puts_the_whole_directory_in_place(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    target = run.artifact("LeNet")
    with run.replacing(target) as fresh:
        (fresh / "one").write_text("1")
        assert not target.exists()
    with run.replacing(target) as fresh:
        (fresh / "two").write_text("2")
    assert names(target) == ["two"]
    assert names(target.parent) == ["LeNet"]


def test_replacing_that_fails_leaves_the_old_directory(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    target = run.artifact("LeNet")
    with run.replacing(target) as fresh:
        (fresh / "one").write_text("1")

    def interrupted() -> None:
        with run.replacing(target) as fresh:
            (fresh / "two").write_text("2")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        interrupted()
    assert names(target) == ["one"]
    assert names(target.parent) == ["LeNet"]


HOLDER = """
import sys, time
from pathlib import Path
from petiole.rundir import RunDir
with RunDir(Path(sys.argv[1])).held():
    print("held", flush=True)
    time.sleep(600)
"""


@contextmanager
def another_process_in(directory: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that holds the directory; killed when the block ends."""
    command = [sys.executable, "-c", HOLDER, str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield holder
        finally:
            holder.kill()


def test_a_second_process_is_refused_and_told_who_is_at_work(tmp_path: Path) -> None:
    with another_process_in(tmp_path / "out") as holder:
        with pytest.raises(UserError) as refused, RunDir(tmp_path / "out").held():
            pass
        assert str(refused.value).startswith(f"{tmp_path / 'out'} is in use by process {holder.pid} on ")
        assert str(refused.value).endswith("stop it, or choose another --out")
        with RunDir(tmp_path / "another").held():  # another directory is free
            pass


def test_a_killed_process_leaves_no_lock_behind(tmp_path: Path) -> None:
    with another_process_in(tmp_path) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with RunDir(tmp_path).held():
            assert (tmp_path / "state" / "lock").read_text().startswith(f"process {os.getpid()} on ")


def test_a_directory_is_free_again_after_a_failure(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), RunDir(tmp_path).held():
        raise RuntimeError("stop")
    with RunDir(tmp_path).held():
        pass


def test_a_file_system_without_locks_is_worked_in_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(descriptor: object, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with RunDir(tmp_path).held():
        pass


def test_what_a_killed_process_left_half_written_is_cleared_away_and_nothing_else(tmp_path: Path) -> None:
    leave = (
        "import os, signal, sys; from pathlib import Path; from petiole.rundir import RunDir, write_atomic\n"
        "run = RunDir(Path(sys.argv[1]))\n"
        "run.save('sources', 0, 0)\n"
        "write_atomic(run.results, 'whole')\n"
        "with run.replacing(run.artifact('LeNet')) as fresh:\n"
        "    (fresh / 'model.onnx').write_text('half')\n"
        "    os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    write_atomic(run.results, 'half')\n"
    )
    killed = subprocess.run([sys.executable, "-c", leave, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    mine = tmp_path / ".my.unfinished.notes"
    mine.write_text("the user's own")
    assert len([*tmp_path.rglob(".*.unfinished")]) == 2
    with RunDir(tmp_path).held():
        assert [*tmp_path.rglob(".*.unfinished")] == []
    assert mine.exists()
    assert (tmp_path / "results.json").read_text() == "whole"
    assert names(tmp_path / "artifacts") == []


def test_every_directory_of_a_run_is_cleared(tmp_path: Path) -> None:
    left = [tmp_path / name / f".half{UNFINISHED}" for name in OURS]
    for path in left:
        path.parent.mkdir()
        path.touch()
    with RunDir(tmp_path).held():
        assert not any(path.exists() for path in left)
    assert RECIPES in OURS


@pytest.mark.parametrize("fails_at", [1, 2])
def test_a_directory_that_cannot_take_its_place_leaves_the_old_one(
    fails_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old one is set aside, then the new one takes its name: whichever fails, the old one is there again."""
    run, replace, calls = RunDir(tmp_path), os.replace, list[object]()
    with run.replacing(run.artifact("LeNet")) as fresh:
        (fresh / "one").write_text("1")

    def failing(source: Path, target: Path) -> None:
        calls.append(source)
        if len(calls) == fails_at:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(UserError, match="no space left"), run.replacing(run.artifact("LeNet")) as fresh:
        (fresh / "two").write_text("2")
    assert names(run.artifact("LeNet")) == ["one"]
    assert names(tmp_path / "artifacts") == ["LeNet"]


def test_a_step_that_has_ended_forgets_its_trainings(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    run.forget_trainings()  # none yet
    write_atomic(run.trainings / "one.pt", b"weights")
    run.save("scratch", 0, "done")
    run.forget_trainings()
    assert names(tmp_path / "state") == ["scratch.json"]


def test_a_result_of_another_kind_means_do_it_again(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    run.save("scratch", 0, [1])
    assert run.load("scratch", 0) is None
    assert run.load("scratch", 0, list) == [1]
