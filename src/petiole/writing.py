"""Writing files whole or not at all, and what the system may refuse, told in one sentence."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from petiole.errors import UserError

UNFINISHED = ".unfinished"
"""Ending of the name of what is being written; a process that was killed leaves it behind."""


def write_atomic(path: Path, data: bytes | memoryview | str) -> None:
    """Write a file so that a reader sees the old content or the new one, never a part.

    Raises:
        UserError: the place cannot be written (no space, no permission, read-only).
    """
    with atomic_file(path) as file:
        file.write(data.encode() if isinstance(data, str) else data)


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """The same for a file that is written piece by piece: it takes its place when all of it is on the disk.

    Raises:
        UserError: as :func:`write_atomic`.
    """
    with user_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=UNFINISHED)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def flush(path: Path) -> None:
    """See to it that what was written into a file is on the disk; nothing for a directory."""
    if path.is_file():
        with path.open("rb") as file:
            os.fsync(file.fileno())


@contextmanager
def user_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write ``path`` into one clear sentence; an error that is about a file
    elsewhere passes unchanged."""
    try:
        yield
    except OSError as error:
        place = path.absolute()
        about = Path(error.filename).absolute() if isinstance(error.filename, str) else place
        if not (about.is_relative_to(place.parent) or place.is_relative_to(about)):
            raise
        what = {
            errno.ENOSPC: "no space left on the disk: free some, or choose another --out",
            errno.EDQUOT: "the disk quota is used up: free some space, or choose another --out",
            errno.EFBIG: "no file may become so large: raise the limit (ulimit -f), or choose another --out",
            errno.EACCES: "no permission to write there: choose another --out",
            errno.EPERM: "no permission to write there: choose another --out",
            errno.EROFS: "the place is read-only: choose another --out",
            errno.ENOTDIR: "a part of that path is a file: move it away, or choose another --out",
            errno.EEXIST: "a file of that name is in the way: move it away, or choose another --out",
            errno.EISDIR: "a directory of that name is in the way: move it away, or choose another --out",
            errno.ELOOP: "a link is in the way: move it away, or choose another --out",
            errno.ENAMETOOLONG: "the name is too long: choose a shorter --out",
        }.get(error.errno or 0)
        if what is None:
            raise
        told = isinstance(error.filename, str) and os.path.lexists(error.filename)  # not what was to come about
        raise UserError(f"cannot write {error.filename if told else path}: {what}") from error
