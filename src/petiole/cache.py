"""Where downloads and decoded pictures are kept between runs, and what is said where that cannot be written."""

import glob
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from petiole.errors import UserError
from petiole.writing import UNFINISHED

STALE_S = 86_400.0
"""What is unfinished and was not touched for so long is of a process that was killed."""


def cache_path() -> Path:
    """Where Petiole keeps downloads: ``PETIOLE_CACHE``, else ``~/.cache/petiole``. It need not exist."""
    chosen = os.environ.get("PETIOLE_CACHE")
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "petiole"


def cache_dir() -> Path:
    """:func:`cache_path`, made if need be, and tried: it can be written. What killed processes left is cleared away.

    Raises:
        UserError: it cannot be written.
    """
    path = cache_path()
    with cache_errors(path):
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    clear_stale(path)
    return path


def clear_stale(folder: Path, name: str = "") -> None:
    """Take away what processes that were killed began to write in a folder: all of it, or what was to get a name."""
    for each in folder.glob(f".{glob.escape(name) or '*'}.????????{UNFINISHED}"):
        with suppress(OSError):  # somebody else's, or gone by now
            if time.time() - each.lstat().st_mtime < STALE_S:
                continue
            if each.is_dir() and not each.is_symlink():
                shutil.rmtree(each)
            else:
                each.unlink()


@contextmanager
def cache_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write ``path`` into one clear sentence."""
    try:
        yield
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UserError(f"cannot write {path} ({why}): {_hint(path)}") from error


def _hint(path: Path) -> str:
    """What to do where ``path`` cannot be written: it is in a cache, or the user has named it."""
    torch_home = Path(os.environ.get("TORCH_HOME", cache_path().parent / "torch"))
    if any(path.absolute().is_relative_to(cache.absolute()) for cache in (cache_path(), torch_home)):
        return "set PETIOLE_CACHE (for torch's weights: TORCH_HOME) to a writable folder with enough space"
    return "name another folder, or free some space"
