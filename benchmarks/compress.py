"""What ``petiole compress`` makes of a folder within its budget, beside ResNet18 in eager PyTorch and NNCF, in one run.

    pip install nncf                       # a peer; without it the benchmark says so and goes on
    python benchmarks/compress.py PHOTOS [--budget 900] [--out DIR]

First ResNet18 (float32, eager PyTorch, one picture) is timed. Then the search looks for the most accurate network that
is at least 16 times as fast and at least 15 times smaller. NNCF quantizes the search's float reference (post-training,
default preset, calibrated with training photos). In the end all are timed in interleaved rounds, and judged on the same
test split, paired. Speed-ups are ratios of medians with bootstrap intervals.
"""

import argparse
import contextlib
import io
import logging
import statistics
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from petiole import api, stats, units
from petiole.bench.footprint import parameters
from petiole.bench.latency import measure
from petiole.bench.machine import available_threads, cpu_name
from petiole.data.augment import Views
from petiole.data.folder import open_photos
from petiole.deploy.runtime import Runtime
from petiole.deploy.runtime_openvino import OpenVinoRuntime
from petiole.deploy.runtime_torch import TorchRuntime
from petiole.deployed import Deployed, read
from petiole.models import backbones
from petiole.search_records import SearchResults
from petiole.training.evaluate import Predictions, predict

TIMES_AS_FAST, TIMES_SMALLER, LEAST_ACCURACY = 16, 15, 94.0
EAGER, NNCF, CHOSEN = "ResNet18, eager float32", "NNCF, float reference", "petiole compress"
CALIBRATION_IMAGES = 128
ROUNDS = 32


def main() -> None:
    """Search, quantize, time, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--budget", type=float, default=900.0, help="seconds (default: 900)")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark-compress"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    threads = available_threads()
    torch.set_num_threads(threads)
    resnet18 = backbones.adapt(backbones.find("resnet18"), None, classes=2, seed=0).eval()
    eager = TorchRuntime(resnet18, threads=threads)
    picture = torch.randn(1, 3, 224, 224).numpy()
    eager_ms = statistics.median(measure({EAGER: partial(eager.run, picture)}, min_samples=100)[EAGER])
    eager_bytes = 4 * parameters(resnet18)
    print(f"{cpu_name()}, {threads} threads; {EAGER}: {eager_ms:.2f} ms, {units.bytes(eager_bytes)}")
    results = api.compress(
        options.photos, out=options.out, objective="accuracy", min_accuracy=LEAST_ACCURACY, offline=True,
        max_latency_ms=eager_ms / TIMES_AS_FAST, max_size=eager_bytes / TIMES_SMALLER, budget_s=options.budget,
        seed=options.seed,
    )  # fmt: skip
    chosen = read(options.out / api.require_chosen(results).artifact)
    found, calls = _rivals(options, results, chosen, threads)
    calls[EAGER] = partial(eager.run, picture)
    raw_ms = measure(calls, min_samples=400, rounds=ROUNDS)
    print(f"\n{'':<26}{'right':>8}{'accuracy':>10}{'p50 ms':>9}{'as fast as eager':>20}{'MB':>8}")
    sizes = {EAGER: eager_bytes, CHOSEN: chosen.model.stat().st_size}
    for label, row in raw_ms.items():
        ratio, low, high = stats.median_ratio_interval(raw_ms[EAGER], row, rounds=ROUNDS, seed=0)
        judged = found.get(label)
        right = f"{int(judged.right.sum())}/{len(judged.labels)}" if judged else ""
        accuracy = units.percent(float(judged.right.float().mean())) if judged else ""
        size = f"{sizes[label] / 1e6:.2f}" if label in sizes else ""
        print(
            f"{label:<26}{right:>8}{accuracy:>10}{statistics.median(row):>9.2f}"
            f"{f'{ratio:.2f} ({low:.2f}-{high:.2f})':>20}{size:>8}"
        )
    _print_against_nncf(raw_ms, found)
    print(
        f"search: {units.seconds(results.run.seconds)} of {units.seconds(options.budget)}; chosen: {chosen.card.name}"
    )


def _rivals(
    options: argparse.Namespace, results: SearchResults, chosen: Deployed, threads: int
) -> tuple[dict[str, Predictions], dict[str, Callable[[], object]]]:
    """The chosen network and NNCF's, each judged on the test split and ready to be timed."""
    reference = read(options.out / str(results.variants[0].artifact))
    data = open_photos(
        options.photos, source="", synthetic=False, seed=options.seed, split_file=options.out / "split.json"
    )
    found: dict[str, Predictions] = {}
    calls: dict[str, Callable[[], object]] = {}

    def add(label: str, runtime: Runtime, deployed: Deployed) -> None:
        views = Views(data.test, deployed.card.preprocessing)
        found[label] = predict(runtime, views, data.test.labels, batch_images=1)
        calls[label] = partial(runtime.run, views[:1].contiguous().numpy())

    assert results.chosen is not None
    add(CHOSEN, chosen.open(results.chosen.latency.runtime, threads=threads), chosen)
    order = torch.randperm(len(data.train.labels), generator=torch.Generator().manual_seed(options.seed))
    shown = Views(data.train, reference.card.preprocessing)[order[:CALIBRATION_IMAGES]]
    target = options.out / "nncf.xml"
    try:
        _nncf(reference.model, shown, target)
    except ImportError as error:
        print(f"{NNCF}: not measured ({error}): pip install nncf")
    else:
        add(NNCF, OpenVinoRuntime(target, threads=threads), reference)
    return found, calls


def _nncf(float_file: Path, images: torch.Tensor, target: Path) -> None:
    import nncf
    import openvino

    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")  # its advice would stand in the middle of the table
        logging.disable(logging.WARNING)
        model = openvino.Core().read_model(str(float_file))
        quantized = nncf.quantize(model, nncf.Dataset([image[None].numpy() for image in images]))
        openvino.save_model(quantized, str(target), compress_to_fp16=False)
        logging.disable(logging.NOTSET)


def _print_against_nncf(raw_ms: dict[str, list[float]], found: dict[str, Any]) -> None:
    if NNCF not in found:
        return
    ours, theirs = found[CHOSEN].right, found[NNCF].right
    lost, gained, total = int((theirs & ~ours).sum()), int((ours & ~theirs).sum()), len(ours)
    low, high = stats.paired_difference(lost, gained, total)
    ratio = stats.median_ratio_interval(raw_ms[NNCF], raw_ms[CHOSEN], rounds=ROUNDS, seed=0)
    print(
        f"{CHOSEN} is {ratio[0]:.2f} ({ratio[1]:.2f}-{ratio[2]:.2f}) times as fast as {NNCF}; of {total} test photos "
        f"it loses {lost} and gains {gained} against it ({units.points(low)} to {units.points(high)}, 95%; "
        f"{units.p_value(stats.mcnemar_exact(lost, gained))})"
    )


if __name__ == "__main__":
    main()
