"""``petiole predict`` on many photos in a stream: seconds, images/s and peak memory against their number.

    python benchmarks/predict.py [--counts 1000 10000] [--batches 1 8] [--artifact DIR] [--runtime onnxruntime]

Each count is a process of its own, ``petiole predict ARTIFACT FOLDER --json`` with its output in a file, so that its
peak (VmHWM, the largest resident set; Linux only) is its own. Photos are drawn ones (200, under many names), and
every 50th is cut short. It is an error if a row is missing, out of order, or says of a broken photo what is on it.
Without ``--artifact`` it is a ``CNNScratch`` with random weights. The time holds the start of Python and of the
runtime; the last column leaves it out: photos more than in the line above, by seconds more.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from petiole import api
from petiole.bench.machine import available_threads, cpu_name
from petiole.data.augment import Views
from petiole.data.folder import open_photos
from petiole.models.scratch import CNNScratch
from petiole.preprocessing import SMALL
from petiole.rundir import RunDir
from petiole.variants import AssemblyLine, Subject, Task

DRAWN = 200
BAD_EVERY = 50


def main() -> None:
    """Predict each count in a process of its own, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", nargs="+", type=int, default=[1000, 10000])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--artifact", type=Path, help="artifact directory (default: CNNScratch, random weights)")
    parser.add_argument("--runtime", default="openvino")
    options = parser.parse_args()
    print(f"{cpu_name()}, {available_threads()} threads, {options.runtime}\n")
    print(f"{'batch':>5}{'photos':>8}{'s':>8}{'images/s':>10}{'peak MB':>9}{'times':>7}{'images/s, started':>19}")
    with tempfile.TemporaryDirectory() as temporary:
        drawn = api.draw(Path(temporary, "drawn"), count=DRAWN)
        artifact = options.artifact or _artifact(drawn, Path(temporary, "run"))
        for count in options.counts:
            _write(sorted(drawn.rglob("*.jpg")), Path(temporary, str(count)), count)
        for batch in options.batches:
            command = [sys.executable, "-m", "petiole", "predict", artifact, "--json", "--runtime", options.runtime]
            _measure([*map(str, command), "--batch", str(batch)], Path(temporary), options.counts, batch)


def _measure(command: list[str], folder: Path, counts: list[int], batch: int) -> None:
    first_mb, count_before, seconds_before = 0.0, 0, 0.0
    for count in counts:
        with Path(folder, "rows.json").open("w+", encoding="utf-8") as output:
            began = time.perf_counter()
            child = subprocess.Popen([*command, str(folder / str(count))], stdout=output, stderr=subprocess.DEVNULL)
            peak_mb = 0.0
            while child.poll() is None:
                peak_mb = max(peak_mb, _peak_mb(child.pid))
                time.sleep(0.05)
            seconds = time.perf_counter() - began
            output.seek(0)
            _check(json.load(output)["rows"], count)
        first_mb = first_mb or peak_mb
        more = f"{(count - count_before) / (seconds - seconds_before):>19.0f}" if count_before else ""
        rate, times = count / seconds, peak_mb / first_mb
        print(f"{batch:>5}{count:>8}{seconds:>8.1f}{rate:>10.0f}{peak_mb:>9.0f}{times:>7.2f}{more}", flush=True)
        count_before, seconds_before = count, seconds


def _peak_mb(pid: int) -> float:
    """The largest resident set of a process so far; 0 where it has just ended."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return sum(int(line.split()[1]) * 1.024 / 1000 for line in lines if line.startswith("VmHWM"))


def _write(drawn: list[Path], folder: Path, count: int) -> None:
    """``count`` photos under numbers, every 50th of them broken."""
    folder.mkdir()
    for at in range(count):
        path, photo = folder / f"{at:06}.jpg", drawn[at % len(drawn)]
        if at % BAD_EVERY:
            path.hardlink_to(photo)
        else:
            path.write_bytes(photo.read_bytes()[:3000])


def _check(rows: list[dict[str, object]], count: int) -> None:
    """Every photo has its row in its place, and each broken one says so."""
    for at, row in enumerate(rows):
        is_bad = at % BAD_EVERY == 0
        if Path(str(row["path"])).name != f"{at:06}.jpg" or (row["label"] is None) != is_bad:
            raise RuntimeError(f"row {at} is wrong: {row}")
    if len(rows) != count:
        raise RuntimeError(f"{len(rows)} rows for {count} photos")


def _artifact(drawn: Path, out: Path) -> Path:
    data = open_photos(drawn, source="synthetic", synthetic=True, seed=0)
    task = Task(
        dataset="photos", classes=("ants", "bees"), preprocessing=SMALL, inputs=Views(data.test, SMALL),
        labels=data.test.labels,
    )  # fmt: skip
    torch.manual_seed(0)
    network = CNNScratch(2)
    network(task.inputs[:16])  # BatchNorm sees something
    subject = Subject(name="CNNScratch", seed=0, parent=None, backbone="CNNScratch", how="")
    AssemblyLine(RunDir(out), threads=available_threads()).judge_float(network.eval(), task, subject)
    return out / "artifacts" / "CNNScratch"


if __name__ == "__main__":
    main()
