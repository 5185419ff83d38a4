"""The machine that numbers were measured on: processor, instruction sets, cores, memory, library versions."""

import os
import platform
import resource
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from petiole.processes import cores
from petiole.records import Machine

LIBRARIES = ["torch", "torchvision", "torchao", "timm", "openvino", "onnx", "onnxruntime", "numpy"]

FLAGS = {
    # x86, by the kernel's names
    "fma": "fma",
    "avx2": "avx2",
    "avx_vnni": "avx_vnni",
    "avx512f": "avx512f",
    "avx512_vnni": "avx512_vnni",
    "avx512_bf16": "avx512_bf16",
    "avx512_fp16": "avx512_fp16",
    "amx_int8": "amx_int8",
    "amx_bf16": "amx_bf16",
    # Arm: the kernel's name -> the name that people use
    "asimd": "neon",
    "asimddp": "dotprod",
    "i8mm": "i8mm",
    "bf16": "bf16",
    "sve": "sve",
    "sve2": "sve2",
}
"""Linux's flags that decide how fast, and for int8 how exactly, a network runs -> the name we record."""


def describe(threads: int) -> Machine:
    """This machine, and the number of threads that the measured networks were given."""
    return Machine(
        cpu=cpu_name(),
        isa=isa(),
        cores=available_threads(),
        memory_bytes=memory_bytes(),
        threads=threads,
        versions={"python": platform.python_version(), **library_versions()},
    )


def library_versions() -> dict[str, str]:
    """The installed ones of ``LIBRARIES``."""
    return {name: found for name in LIBRARIES if (found := _version(name))}


def available_threads() -> int:
    """How many processors this process may use: its affinity mask, or all where there are no masks."""
    return cores()


def memory_bytes() -> int:
    """Memory of the machine; 0 where the system does not tell."""
    names = ("SC_PHYS_PAGES", "SC_PAGE_SIZE")
    if not all(name in os.sysconf_names for name in names):
        return 0
    pages, page_bytes = (os.sysconf(name) for name in names)
    return max(0, pages) * max(0, page_bytes)


def peak_memory_bytes() -> int:
    """Largest resident memory of this process so far (``getrusage``: KiB on Linux, bytes on macOS)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def cpu_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name by the kernel; where it gives none, the architecture (such as "aarch64")."""
    return _first_field(cpuinfo, "model name") or platform.processor() or platform.machine()


def isa(cpuinfo: Path = Path("/proc/cpuinfo")) -> list[str]:
    """The instruction sets that matter (values of ``FLAGS``), in that order.

    Without ``/proc/cpuinfo`` it is the one set that torch says it was dispatched to, such as ``["avx2"]``.
    """
    if not cpuinfo.is_file():
        import torch

        return [torch.backends.cpu.get_cpu_capability().lower()]
    present = (_first_field(cpuinfo, "flags") or _first_field(cpuinfo, "Features")).split()
    return [name for flag, name in FLAGS.items() if flag in present]


def _first_field(cpuinfo: Path, field: str) -> str:
    """The first ``field : value`` of the file, or an empty text."""
    if not cpuinfo.is_file():
        return ""
    for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == field:
            return value.strip()
    return ""


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
