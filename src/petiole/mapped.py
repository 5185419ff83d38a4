"""Arrays too large for memory: they lie in a file in the cache that has no name, and so leaves nothing behind."""

import os
import tempfile
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from petiole.cache import cache_dir, cache_errors


def mapped(shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
    """A writable array of zeros whose content lies on the disk; the system keeps in memory what is in use.

    Raises:
        UserError: the cache cannot be written, or has too little space.
    """
    with unnamed_file() as file:
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        with cache_errors(cache_dir()):
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, max(1, size))  # no space is told now, not by a signal later
            else:
                os.truncate(file.fileno(), max(1, size))
        return np.memmap(file, dtype=dtype, mode="r+", shape=shape)


def unnamed_file() -> IO[bytes]:
    """An open file in the cache that vanishes when nothing uses it any more, however the process ends.

    Raises:
        UserError: the cache cannot be written.
    """
    folder = cache_dir()
    with cache_errors(folder):
        return tempfile.TemporaryFile(dir=folder)
