"""The run directory: its paths, atomic writes, done-markers and resume. Nothing else writes into it directly.

``OUT/results.json``, ``OUT/report.html``, ``OUT/Readme.txt``, ``OUT/artifacts/<variant>/`` are the fixed names;
``OUT/state/`` holds one file for each finished step, keyed by a digest of what the step depends on, and in
``OUT/state/training/`` how far the trainings of the present step are. What is being written has a name that begins
with a dot and ends in ``.unfinished``.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

from petiole.errors import UserError
from petiole.writing import UNFINISHED, flush, user_errors, write_atomic

OURS = ("artifacts", "charts", "latency", "networks", "predictions", "recipes", "search", "state", "thumbnails")
"""Directories of a run that nobody else writes into."""
OUTDATED = Path("state", "outdated")
"""Is there while a run's files are of another run than its records."""
FILES = ("results.json", "report.html", "report.md", "Readme.txt", "chosen.toml", "hand-in.zip")
"""Files that a run writes beside them."""


def require_apart(photos: Path, out: Path) -> None:
    """Nothing may be written among photos, where it would be taken for a class.

    Raises:
        UserError: ``out`` is the folder of photos, or lies in it.
    """
    folder, place = (
        Path(os.path.realpath(each)) for each in (photos, out)
    )  # unlike resolve(), ends where links circle
    if folder in (place, *place.parents):
        raise UserError(f"--out {out} lies among the photos in {photos}: choose an --out elsewhere")


def remove(path: Path) -> None:
    """Take away a directory with all that is in it, or whatever else has the name; what cannot be stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def digest(value: object) -> str:
    """A short digest of any JSON-able value; equal values have equal digests."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def require_settled(run: Path) -> None:
    """Refuse records of a run that another one has begun to take the place of.

    Raises:
        UserError: they are outdated.
    """
    if (run / OUTDATED).exists():
        raise UserError(
            f"{run} is being made anew, and its results.json tells of the files before: give the command that was "
            "stopped there again, it goes on where it was"
        )


class RunDir:
    """One run's directory. Steps ask ``load`` for a finished result and hand it to ``save`` when they end.
    Before a step's files are overwritten, :meth:`forget` marks the records as outdated; :meth:`settle` takes the mark
    away when they are written anew.

    A step's result counts only for the same ``basis`` (everything that it depends on), so that a run continued with
    another configuration does the step again instead of mixing two configurations.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._made = [each for each in (path, *path.parents) if not each.exists()]
        with user_errors(path):
            path.mkdir(parents=True, exist_ok=True)
            probe = tempfile.TemporaryFile(dir=path)  # noqa: SIM115 - opened to be refused early, closed at once
            probe.close()

    @property
    def results(self) -> Path:
        """``OUT/results.json``."""
        return self.path / "results.json"

    @property
    def report(self) -> Path:
        """``OUT/report.html``."""
        return self.path / "report.html"

    def artifact(self, name: str) -> Path:
        """``OUT/artifacts/<name>``."""
        return self.path / "artifacts" / name

    def load(self, step: str, basis: object, kind: type = dict) -> Any | None:
        """The stored result of a step, or None if it has not ended on the same basis, was altered since, or is of
        another ``kind`` than the step's."""
        marker = self.path / "state" / f"{step}.json"
        if not marker.is_file():
            return None
        try:
            stored = json.loads(marker.read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            return None  # not written by us in one piece: do the step again
        if not isinstance(stored, dict) or stored.get("basis") != digest(basis):
            return None
        result = stored.get("result")
        return result if isinstance(result, kind) and stored.get("sha256") == digest(result) else None

    def save(self, step: str, basis: object, result: object) -> None:
        """Store a step's result (JSON-able) as its done-marker."""
        result = json.loads(json.dumps(result))  # as it will be read
        text = json.dumps({"basis": digest(basis), "sha256": digest(result), "result": result}, indent=1)
        write_atomic(self.path / "state" / f"{step}.json", text)

    def forget(self, step: str) -> None:
        """Drop a step's done-marker: what it made is about to be overwritten, and no more what the records tell of."""
        if self.results.exists():
            write_atomic(self._outdated, "")
        with user_errors(self.path):
            (self.path / "state" / f"{step}.json").unlink(missing_ok=True)

    def settle(self) -> None:
        """The records, and what is made from them, are those of the files beside them again."""
        with user_errors(self.path):
            self._outdated.unlink(missing_ok=True)

    @property
    def _outdated(self) -> Path:
        return self.path / OUTDATED

    @property
    def trainings(self) -> Path:
        """``OUT/state/training``: how far the trainings of the step under way are."""
        return self.path / "state" / "training"

    def forget_trainings(self) -> None:
        """The step under way has ended, and its trainings with it."""
        with user_errors(self.trainings):
            if self.trainings.is_dir() and not self.trainings.is_symlink():
                shutil.rmtree(self.trainings)
            else:
                self.trainings.unlink(missing_ok=True)

    @contextmanager
    def replacing(self, target: Path) -> Iterator[Path]:
        """A fresh directory to fill; it takes ``target``'s place when the block ends, and vanishes if it fails.

        There is never a part of either: a process that is killed here leaves the old one, the new one or none.
        """
        with user_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            fresh = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=UNFINISHED))
            old = fresh.with_name(f".old{fresh.name}")
            try:
                yield fresh
                for file in fresh.rglob("*"):
                    flush(file)  # all of it is on the disk before it has its name
                os.chmod(fresh, 0o755)
                if target.exists():
                    os.replace(target, old)
                os.replace(fresh, target)
            except BaseException:
                if old.exists() and not target.exists():
                    os.replace(old, target)
                remove(fresh)
                raise
            finally:
                remove(old)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes out of this directory until the block ends, and clear away what a killed one left.

        The system lets go of it when the process ends, however it ends. A new directory in which nothing came about,
        since the input was wrong, is taken away again.

        Raises:
            UserError: another process is at work in it (the message names the process), or it holds files that are
                not of a run and would be overwritten.
        """
        self._require_ours()
        with self._lock_file() as file:
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=file.close)  # or a child that outlives this process would hold on
            self._clear_unfinished()
            try:
                yield
            except UserError:
                self._leave_no_trace()
                raise

    def _require_ours(self) -> None:
        with user_errors(self.path):
            if _is_of_a_run(state := self.path / "state"):
                return
            theirs = sorted(each.name for each in self.path.iterdir() if each.name in {*OURS, *FILES})
            is_new = theirs == ["state"] and state.is_dir() and not any(state.iterdir())  # killed before its lock
        if theirs and not is_new:
            raise UserError(
                f"{self.path} is no run directory and holds {', '.join(theirs)}, which a run would overwrite: choose "
                "another --out"
            )

    def _lock_file(self) -> FileIO:
        """The file ``state/lock``, locked."""
        path = self.path / "state" / "lock"
        with user_errors(self.path):
            while True:
                path.parent.mkdir(parents=True, exist_ok=True)
                flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
                if path.exists() and not path.is_file():
                    raise UserError(f"{path} is in the way, and no file: remove it, or choose another --out")
                file = FileIO(os.open(path, flags, 0o644), "r+")
                try:
                    self._take(file)
                    if path.exists() and os.path.samestat(path.stat(), os.fstat(file.fileno())):
                        return file
                except BaseException:
                    file.close()
                    raise
                file.close()  # who held it has taken it away with the directory: there is a new one to lock

    def _take(self, file: FileIO) -> None:
        try:
            _lock(file)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().decode(errors="replace") or "another process"
            raise UserError(
                f"{self.path} is in use by {holder}: wait until that has ended, stop it, or choose another --out"
            ) from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())

    def _leave_no_trace(self) -> None:
        """Take away what was made for a run in which nothing came about."""
        path = self.path / "state" / "lock"
        if self.path not in self._made or [*self.path.rglob("*")] != [path.parent, path]:
            return
        path.unlink()
        for folder in (path.parent, *self._made):
            if any(folder.iterdir()):
                return
            folder.rmdir()

    def _clear_unfinished(self) -> None:
        found = [each for name in (*FILES, "split.json") for each in self.path.glob(f".{name}.*{UNFINISHED}")]
        for name in OURS:
            found += (self.path / name).rglob(f".*{UNFINISHED}")
        for each in found:
            remove(each)


def _is_of_a_run(state: Path) -> bool:
    """Whether it holds a lock, something unfinished, or a done-marker (older runs had no lock)."""
    if os.path.lexists(state / "lock") or any(state.glob(f".*{UNFINISHED}")):
        return True
    return any(each.is_file() and each.read_bytes().startswith(b'{\n "basis": ') for each in state.glob("*.json"))


def _lock(file: FileIO) -> None:
    """Take the exclusive lock on an open file, where system and file system know locks.

    Raises:
        BlockingIOError: another process has it.
    """
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:  # also a BlockingIOError, which passes
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
