"""Whose CPU time it was, by hand from what the kernel writes; and a machine that is really busy is flagged."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fabricated import latency, replaced, results
from petiole.bench.load import Load
from petiole.caveats import busy_share
from petiole.report import summary

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/stat")
TICKS = os.sysconf("SC_CLK_TCK")


def stat(*lines: str) -> str:
    """Two cores' lines, in seconds; the sum over all comes first, and other lines after."""
    rows = [" ".join(str(round(float(part) * TICKS)) for part in line.split()) for line in lines]
    return (
        "".join(f"cpu{name} {row}\n" for name, row in zip(("", "0", "1"), ["9 9 9 9 9 9 9 9", *rows], strict=True))
        + "btime 1\n"
    )


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """This process may use cores 0 and 1; what it has used of them is in the list."""
    own = [1.0]
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1}, raising=False)
    monkeypatch.setattr(time, "process_time", lambda: own[0])
    return own


@pytest.mark.parametrize(
    ("core0", "own", "share"),
    [
        # user nice system idle iowait irq softirq steal, and guests, which the kernel counts as user already
        ("1.6 0 0 0.4 0 0 0 0 0 0", 1.25, 0.35 / 2),  # 0.6 s busy, 0.25 s of it our own, of 2 s on two cores
        ("1.1 0.1 0.1 0.4 0 0.1 0.1 0.1 0.6 0.6", 1.0, 0.6 / 2),  # every kind of work counts, once
        ("1 0 0 0.5 0.5 0 0 0 0 0", 1.0, 0.0),  # waiting for a disk is no work
        ("2 0 0 0 0 0 0 0 0 0", 2.5, 0.0),  # ours is counted more finely than ticks are
        ("1 0 0 0 0 0 0 1 0 0", 1.0, 0.5),  # taken by the host
    ],
    ids=["ours and others'", "kinds", "disk", "ticks", "stolen"],
)
def test_the_share_of_others_by_hand(
    core0: str, own: float, share: float, two_cores: list[float], tmp_path: Path
) -> None:
    file = tmp_path / "stat"
    file.write_text(stat("1 0 0 0 0 0 0 0 0 0", "5 0 0 5 0 0 0 0 0 0"))
    load = Load(file)
    file.write_text(stat(core0, "5 0 0 6 0 0 0 0 0 0"))
    two_cores[0] = own
    assert load.others_share() == pytest.approx(share, abs=0.001)


def test_cores_that_are_not_ours_do_not_count(
    two_cores: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1}, raising=False)
    (tmp_path / "stat").write_text(stat("1 0 0 0 0 0 0 0", "1 0 0 0 0 0 0 0"))
    load = Load(tmp_path / "stat")
    (tmp_path / "stat").write_text(stat("9 0 0 0 0 0 0 0", "1 0 0 1 0 0 0 0"))
    assert load.others_share() == 0.0


@pytest.mark.parametrize("content", [None, "cpu0 0 0 0 0 0 0 0 0\n", "cpu 1 1 1 1 1 1 1 1\n"])
def test_a_kernel_that_does_not_tell(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "stat").write_text(content)
    assert Load(tmp_path / "stat").others_share() is None


@contextlib.contextmanager
def busy_neighbour() -> Iterator[None]:
    """Another process that computes without end, on the same core."""
    with subprocess.Popen(
        [sys.executable, "-c", "print(flush=True)\nwhile True: pass"], stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        try:
            yield
        finally:
            other.kill()


@linux
def test_a_busy_neighbour_is_flagged() -> None:
    """Both are held to one core; this process sleeps, so that the neighbour has nearly all of it."""
    mask = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(mask)})
    try:
        with busy_neighbour():
            load = Load()
            time.sleep(0.5)
            share = load.others_share()
    finally:
        os.sched_setaffinity(0, mask)
    assert share is not None
    assert share > 0.5
    timing = latency(1.0).model_copy(update={"others_share": share})
    assert busy_share([latency(1.0), timing]) == share


@pytest.mark.parametrize(("share", "flagged"), [(None, False), (0.0, False), (0.1, False), (0.11, True), (0.48, True)])
def test_the_report_says_that_the_machine_was_busy(share: float | None, flagged: bool) -> None:
    timings = [latency(2.0), latency(1.0).model_copy(update={"others_share": share})]
    banners = summary.banners(results(replaced("LeNet", latency=timings)))
    (found,) = [banner for banner in banners if banner.startswith("BUSY MACHINE")] or [""]
    assert bool(found) is flagged
    assert not flagged or f"had up to {round(100 * (share or 0))}% of the cores' time" in found
