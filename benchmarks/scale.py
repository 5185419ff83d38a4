"""What many photos cost: seconds, views/s and peak memory of each stage, against their number.

    python benchmarks/scale.py [--counts 1000 4000 16000 50000] [--size 96] [--folder DIR]

Each count is a process of its own, so that its peak is its own. Pictures are drawn ones (500, each written again and
again with another crop and brightness, since drawing 50,000 would take hours), half ants and half bees, a tenth of them
for testing. The stages are those of ``petiole compress``: decode and check all files; a new output layer on features of
the frozen backbone (a view is what passes through it; of few photos there are more of each); int8 by static
quantization, judged on the test split as it is deployed. Retraining is left out: it takes one batch after another, and
its memory is that of the batch.

Memory is the process's own (anonymous, RssAnon) and that of mapped files (RssFile), which the system takes back when it
needs it; each is sampled every 50 ms.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from PIL import Image, ImageEnhance

from petiole import api
from petiole.bench.machine import available_threads, cpu_name
from petiole.chain.config import ChainConfig
from petiole.chain.transfer import probe_views
from petiole.data.folder import open_photos
from petiole.models.weights import find_weights
from petiole.rundir import RunDir
from petiole.search.candidate import build, judge
from petiole.search.part import Part
from petiole.search.recipe import Recipe
from petiole.training.memory import keep_freed_memory

DRAWN = 500
T = TypeVar("T")


def main() -> None:
    """Measure each count in a process of its own, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", nargs="+", type=int, default=[1000, 4000, 16000, 50000])
    parser.add_argument("--size", type=int, default=96, help="input size in pixels (default: 96)")
    parser.add_argument("--folder", type=Path, help="where pictures are written (default: a temporary folder)")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(_measure(options.folder / str(options.one), options.size)))
        return
    print(f"{cpu_name()}, {available_threads()} threads, EfficientNet-Lite0 at {options.size} pixels\n")
    print(f"{'photos':>7}  {'stage':<28}{'s':>8}{'views/s':>10}{'own MB':>9}{'mapped MB':>11}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        drawn = folder / "drawn"
        if not drawn.is_dir():
            api.draw(drawn, count=DRAWN)
        for count in options.counts:
            _write(sorted(drawn.rglob("*.jpg")), folder / str(count), count)
            command = [sys.executable, __file__, "--one", str(count), "--size", str(options.size), "--folder", folder]
            done = subprocess.run([str(each) for each in command], capture_output=True, text=True, check=True)
            for stage, row in json.loads(done.stdout.splitlines()[-1]).items():
                print(
                    f"{count:>7}  {stage:<28}{row['seconds']:>8.1f}{row['images'] / row['seconds']:>10.0f}"
                    f"{row['RssAnon']:>9.0f}{row['RssFile']:>11.0f}",
                    flush=True,
                )


def _write(drawn: list[Path], target: Path, count: int) -> None:
    """``count`` pictures, each another view of a drawn one."""
    if target.is_dir():
        return
    chance = random.Random(count)
    for side, share in (("train", 0.9), ("val", 0.1)):
        for label in ("ants", "bees"):
            (target / side / label).mkdir(parents=True)
            mine = [path for path in drawn if path.parent.name == label]
            for at in range(round(share * count / 2)):
                with Image.open(mine[at % len(mine)]) as picture:
                    width, height = picture.size
                    left, top = chance.uniform(0, 0.2) * width, chance.uniform(0, 0.2) * height
                    view = picture.crop((int(left), int(top), int(left + 0.8 * width), int(top + 0.8 * height)))
                    view = ImageEnhance.Brightness(view).enhance(chance.uniform(0.7, 1.3))
                    view.save(target / side / label / f"{at:06}.jpg", quality=85)


class _Memory:
    """The highest memory of this process while a stage runs, in MB."""

    def __init__(self) -> None:
        self.peak_mb: dict[str, float] = {}
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._ends.wait(0.05):
            for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
                key, _, value = line.partition(":")
                if key in {"RssAnon", "RssFile"}:
                    self.peak_mb[key] = max(self.peak_mb.get(key, 0.0), int(value.split()[0]) / 1000)

    def __enter__(self) -> "_Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()


def _measure(folder: Path, size_px: int) -> dict[str, dict[str, float]]:
    keep_freed_memory()
    torch.set_num_threads(available_threads())
    rows: dict[str, dict[str, float]] = {}

    def stage(name: str, images: int, work: Callable[[], T]) -> T:
        began = time.perf_counter()
        with _Memory() as memory:
            result = work()
        rows[name] = {"seconds": time.perf_counter() - began, "images": images, **memory.peak_mb}
        return result

    count = sum(1 for _ in folder.rglob("*.jpg"))
    photos = stage("decode and check", count, lambda: open_photos(folder, source="", synthetic=True, seed=0))
    name = "efficientnet_lite0"
    with tempfile.TemporaryDirectory() as out:
        part = Part(
            rundir=RunDir(Path(out)), photos=photos, config=ChainConfig(), retrains=False, seed=0,
            weights={name: find_weights(name, weights=None, offline=True)}, threads=available_threads(),
            say=lambda _: None,
        )  # fmt: skip
        recipe = Recipe(backbone=name, size_px=size_px)
        views = len(photos.train.labels) * (2 + probe_views(part.bench(recipe)))
        stage("features and output layer", views, lambda: build(part, recipe))
        stage("int8, judged on the test split", len(photos.test.labels), lambda: judge(part, recipe, reference=None))
    return rows


if __name__ == "__main__":
    main()
