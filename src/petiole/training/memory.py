"""Keep freed memory for the next tensors instead of handing it back to the system after every layer.

glibc gives each large tensor fresh pages and returns them when it is freed; the system then clears every page anew.
In training on CPUs that costs a third of the time (`benchmarks/training.py`). Other C libraries need nothing.
"""

import ctypes
import functools
import gc
import platform

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""glibc's ``malloc.h``: free memory at the heap's end before it is returned; how many blocks come fresh."""


def release_freed_memory() -> None:
    """Give back what is free now: between two tasks whose tensors differ, keeping it only lets memory grow."""
    gc.collect()
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


@functools.cache
def keep_freed_memory() -> bool:
    """Set the C library's allocator so, for the rest of the process; returns whether it could be done."""
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
