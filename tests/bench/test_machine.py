"""What is recorded of the machine: parsed from what kernels write, and checked on the machine at hand."""

import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from petiole.bench import machine

X86 = """processor\t: 0
model name\t: Some CPU @ 2.00GHz
flags\t\t: fpu sse2 avx2 fma avx512f avx512_vnni amx_tile amx_int8
processor\t: 1
model name\t: Another CPU
"""
ARM = """processor\t: 0
Features\t: fp asimd asimddp i8mm bf16
CPU implementer\t: 0x41
"""


def test_x86(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(X86)
    assert machine.cpu_name(cpuinfo) == "Some CPU @ 2.00GHz"
    assert machine.isa(cpuinfo) == ["fma", "avx2", "avx512f", "avx512_vnni", "amx_int8"]


def test_arm_has_no_model_name_and_other_names_for_its_flags(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(ARM)
    assert machine.cpu_name(cpuinfo) in (platform.processor(), platform.machine())
    assert machine.isa(cpuinfo) == ["neon", "dotprod", "i8mm", "bf16"]


def test_without_cpuinfo_torch_says_what_it_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "AVX512")
    assert machine.isa(tmp_path / "missing") == ["avx512"]
    assert machine.cpu_name(tmp_path / "missing") != ""


def test_this_machine() -> None:
    described = machine.describe(threads=3)
    assert described.threads == 3
    assert described.cores == machine.available_threads() >= 1
    assert described.versions["torch"] == version("torch")
    assert described.versions["python"] == platform.python_version()
    assert all(described.versions.values())


def test_a_library_that_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "LIBRARIES", ["numpy", "no-such-library"])
    assert machine.describe(threads=1).versions.keys() == {"python", "numpy"}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has affinity masks")
def test_threads_follow_the_affinity_mask() -> None:
    mask = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(mask)})
    try:
        assert machine.available_threads() == 1
    finally:
        os.sched_setaffinity(0, mask)
    assert machine.available_threads() == len(mask)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_peak_memory_is_in_bytes_as_the_kernel_counts_it() -> None:
    status = Path("/proc/self/status").read_text()
    high_water_kib = int(status.partition("VmHWM:")[2].split()[0])
    physical_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert high_water_kib * 1024 * 0.95 <= machine.peak_memory_bytes() < physical_bytes


def test_memory_is_that_of_the_machine() -> None:
    meminfo = Path("/proc/meminfo")
    if not meminfo.is_file():
        pytest.skip("no /proc/meminfo here")
    kibibytes = int(meminfo.read_text().split("MemTotal:")[1].split()[0])
    assert machine.memory_bytes() == pytest.approx(kibibytes * 1024, rel=0.01)
