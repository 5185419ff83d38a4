"""A directory that was made for a run in which nothing came about is taken away again, and only that."""

import errno
import os
import shutil
import tempfile
from io import FileIO
from pathlib import Path

import pytest

from petiole.errors import UserError
from petiole.rundir import RunDir
from petiole.writing import UNFINISHED


def test_a_new_directory_in_which_nothing_came_about_is_taken_away_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(UserError, match="wrong"), RunDir(out).held():
        raise UserError("wrong input")
    assert not out.exists()
    out.mkdir()  # somebody's own
    with pytest.raises(UserError, match="wrong"), RunDir(out).held():
        raise UserError("wrong input")
    assert out.exists()


def test_who_is_refused_takes_nothing_away_from_who_is_at_work(tmp_path: Path) -> None:
    refused = RunDir(tmp_path / "out")  # made it, and came second
    with RunDir(tmp_path / "out").held():
        with pytest.raises(UserError, match="in use by"), refused.held():
            pass
        assert (tmp_path / "out" / "state" / "lock").exists()


def test_a_directory_that_was_taken_away_while_one_waited_for_it_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between opening the lock's file and locking it, the process that made the directory has given it up."""
    rundir, taken = RunDir(tmp_path / "out"), list[FileIO]()
    take = RunDir._take

    def taken_away_once(self: RunDir, file: FileIO) -> None:
        if not taken:
            shutil.rmtree(self.path)
        taken.append(file)
        take(self, file)

    monkeypatch.setattr(RunDir, "_take", taken_away_once)
    with rundir.held():
        assert len(taken) == 2
        assert os.path.samestat((tmp_path / "out" / "state" / "lock").stat(), os.fstat(taken[-1].fileno()))


def test_what_was_made_above_a_directory_is_taken_away_too(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="wrong"), RunDir(tmp_path / "runs" / "first").held():
        raise UserError("wrong input")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("theirs", ["results.json", "charts", "Readme.txt"])
def test_a_directory_of_somebody_else_is_not_written_into(theirs: str, tmp_path: Path) -> None:
    (tmp_path / theirs).mkdir()
    with pytest.raises(UserError, match=f"is no run directory and holds {theirs}"), RunDir(tmp_path).held():
        pass
    assert [*tmp_path.iterdir()] == [tmp_path / theirs]


@pytest.mark.parametrize("theirs", ["results.json", "charts", ""])
def test_a_directory_with_a_state_of_somebody_else_is_not_written_into(theirs: str, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "texas.json").write_text('{"name": "Texas"}')
    if theirs:
        (tmp_path / theirs).mkdir()
    named = ", ".join(each for each in (theirs, "state") if each)
    with pytest.raises(UserError, match=f"is no run directory and holds {named}, which"), RunDir(tmp_path).held():
        pass
    assert [each.name for each in (tmp_path / "state").iterdir()] == ["texas.json"]


@pytest.mark.parametrize("mark", ["lock", "a done-marker", "something unfinished"])
def test_what_marks_a_directory_of_a_run(mark: str, tmp_path: Path) -> None:
    """A run of an earlier version has no lock, but it has finished steps."""
    rundir = RunDir(tmp_path)
    rundir.artifact("LeNet").mkdir(parents=True)
    if mark == "a done-marker":
        rundir.save("lenet-seed0", 0, {"accuracy": 0.9})
    else:
        (tmp_path / "state").mkdir()
        (tmp_path / "state" / ("lock" if mark == "lock" else f".lenet-seed0.json.12345678{UNFINISHED}")).touch()
    with rundir.held():
        assert rundir.artifact("LeNet").exists()


def test_a_run_that_was_killed_before_it_had_its_lock_goes_on(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with RunDir(tmp_path).held():
        assert (tmp_path / "state" / "lock").exists()


def test_a_lock_that_is_a_link_leads_nowhere(tmp_path: Path) -> None:
    victim, out = tmp_path / "victim", tmp_path / "out"
    victim.write_text("mine")
    (out / "state").mkdir(parents=True)
    (out / "state" / "lock").symlink_to(victim)
    with pytest.raises(UserError, match="a link is in the way"), RunDir(out).held():
        pass
    assert victim.read_text() == "mine"


def test_a_relative_directory_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rundir = RunDir(Path("out"))

    def full(*where: object, dir: Path, prefix: str, suffix: str) -> tuple[int, str]:
        path = str((dir / prefix).absolute())  # as tempfile does
        raise OSError(errno.ENOSPC, "No space left on device", path)

    monkeypatch.setattr(tempfile, "mkstemp", full)
    with pytest.raises(UserError, match=r"cannot write out/state/demos\.json: no space left"):
        rundir.save("demos", {}, {})


def test_a_new_directory_in_which_something_came_about_is_kept(tmp_path: Path) -> None:
    def work() -> None:
        rundir = RunDir(tmp_path / "out")
        with rundir.held():
            rundir.save("sources", {}, {"photos": "here"})
            raise UserError("wrong input, found later")

    with pytest.raises(UserError, match="found later"):
        work()
    assert RunDir(tmp_path / "out").load("sources", {}) == {"photos": "here"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with a name")
def test_a_pipe_in_the_way_is_replaced_or_told(tmp_path: Path) -> None:
    """To open one waits for somebody at its other end."""
    run = RunDir(tmp_path)
    run.artifact("LeNet").parent.mkdir()
    os.mkfifo(run.artifact("LeNet"))
    with run.replacing(run.artifact("LeNet")) as fresh:
        (fresh / "one").write_text("1")
    assert os.listdir(tmp_path / "artifacts") == ["LeNet"]
    assert os.listdir(run.artifact("LeNet")) == ["one"]
    (tmp_path / "state").mkdir()
    os.mkfifo(tmp_path / "state" / "lock")
    with pytest.raises(UserError, match="state/lock is in the way, and no file: remove it"), run.held():
        pass


def test_what_is_in_the_way_is_named(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    (tmp_path / "state" / "sources.json").mkdir(parents=True)
    with pytest.raises(UserError, match=r"cannot write \S+/state/sources\.json: "):
        run.forget("sources")
