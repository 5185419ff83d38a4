"""The run directory: whole files or none, steps that count only for their basis, refusals in one sentence."""

import errno
import os
from pathlib import Path

import pytest

from petiole.errors import UserError
from petiole.rundir import RunDir, digest, user_errors, write_atomic


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
    [(errno.EACCES, "permission"), (errno.EROFS, "read-only"), (errno.ENOTDIR, "is a file")],
)
def test_refusals_become_one_sentence(number: int, words: str) -> None:
    with pytest.raises(UserError, match=words), user_errors(Path("there")):
        raise OSError(number, "refused")


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


@pytest.mark.parametrize("content", ["{", "[]", "\udc80"])
def test_a_damaged_marker_means_do_it_again(tmp_path: Path, content: str) -> None:
    run = RunDir(tmp_path)
    run.save("scratch", 0, "done")
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
