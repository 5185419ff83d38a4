"""How fast the whole network is retrained, and what each measure brings: images/s, as ratios of one interleaved run.

    python benchmarks/training.py [PHOTOS] [--rounds 5] [--images 96]

Retrains EfficientNet-Lite0 on PHOTOS (default: drawn ones), a few steps at a time, in rounds A B C A B C ..., so that
a drift of the machine hits all ways alike:

    handout     batch 4, every photo decoded in every epoch, float32, contiguous (as the handout's tutorial does it)
    batch       batch 32, photos decoded once
    layout      the same, channels_last
    bfloat16    the same, bfloat16 autocast
    depthwise   the same, gradients of depthwise convolutions in float32 (what the lab does)

What keeping freed memory brings (``training/memory.py``) is seen by running it twice, the second time with
``--no-memory``: the setting holds for a whole process.
"""

import argparse
import contextlib
import io
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from petiole.bench.machine import available_threads
from petiole.data import sources
from petiole.data.augment import Augmentation, PhotoBatches, normalize
from petiole.data.folder import open_photos
from petiole.data.pixels import Split
from petiole.models import backbones
from petiole.models.weights import find_weights
from petiole.training.depthwise import DepthwiseGradients
from petiole.training.memory import keep_freed_memory
from petiole.training.statistics import train_with_fixed_statistics

AUGMENTATION = Augmentation(colour=0.2)
WAYS = ("handout", "batch", "layout", "bfloat16", "depthwise")
Batch = tuple[torch.Tensor, torch.Tensor]


def decoded_every_time(split: Split, backbone: backbones.Backbone) -> Iterator[Batch]:
    """Batches of 4 whose photos go through the JPEG decoder, as a data loader does it."""
    generator = torch.Generator().manual_seed(0)
    files = []
    for index in range(len(split.labels)):
        file = io.BytesIO()
        Image.fromarray(split.pixels[index].permute(1, 2, 0).numpy()).save(file, "JPEG", quality=90)
        files.append(file.getvalue())
    while True:
        for indices in torch.randperm(len(files), generator=generator).split(4):
            views = []
            for index in indices.tolist():
                with Image.open(io.BytesIO(files[index])) as image:
                    pixels = torch.frombuffer(bytearray(image.convert("RGB").tobytes()), dtype=torch.uint8)
                    pixels = pixels.view(image.height, image.width, 3).permute(2, 0, 1).contiguous()
                views.append(AUGMENTATION.view(pixels, backbone.preprocessing.size_px, generator))
            yield normalize(torch.stack(views), backbone.preprocessing).contiguous(), split.labels[indices]


def decoded_once(split: Split, backbone: backbones.Backbone) -> Iterator[Batch]:
    """The lab's batches of 32, for ever."""
    generator = torch.Generator().manual_seed(0)
    batches = PhotoBatches(split=split, preprocessing=backbone.preprocessing, augmentation=AUGMENTATION)
    while True:
        yield from batches.epoch(generator)


def step_of(way: str, network: nn.Module, batches: Iterator[Batch]) -> Callable[[], int]:
    """One training step in this way; returns the number of photos it took."""
    layout = torch.contiguous_format if way in ("handout", "batch") else torch.channels_last
    network.to(memory_format=layout)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-5)

    def step() -> int:
        inputs, labels = next(batches)
        inputs = inputs.contiguous(memory_format=layout)
        depthwise = DepthwiseGradients() if way == "depthwise" else contextlib.nullcontext()
        with torch.autocast("cpu", torch.bfloat16, enabled=way in ("bfloat16", "depthwise")), depthwise:
            loss = F.cross_entropy(network(inputs).float(), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return len(labels)

    return step


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("photos", type=Path, nargs="?")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=96, help="photos of each way in each round")
    parser.add_argument("--no-memory", action="store_true", help="hand freed memory back, as the C library does")
    arguments = parser.parse_args()
    torch.set_num_threads(available_threads())
    if not arguments.no_memory:
        keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        root = arguments.photos or sources.draw(Path(folder) / "drawn", count=160).root
        split = open_photos(
            root, source=root.name, synthetic=arguments.photos is None, note="", seed=0,
            split_file=Path(folder) / "split.json", progress=False,
        ).train  # fmt: skip
    backbone = backbones.find("efficientnet_lite0")
    weights = find_weights(backbone.name, weights=None, offline=True)
    steps = {}
    for way in WAYS:
        network = backbones.adapt(backbone, weights.state, classes=2, seed=0)
        train_with_fixed_statistics(network)
        batches = decoded_every_time(split, backbone) if way == "handout" else decoded_once(split, backbone)
        steps[way] = step_of(way, network, batches)
    rates: dict[str, list[float]] = {way: [] for way in WAYS}
    for index in range(arguments.rounds + 1):
        for way, step in steps.items():
            began, seen = time.perf_counter(), 0
            while seen < arguments.images:
                seen += step()
            if index:  # the first round warms up
                rates[way].append(seen / (time.perf_counter() - began))
    base = statistics.median(rates["handout"])
    print(f"{'way':<12}{'images/s':>10}{'of handout':>12}")
    for way, row in rates.items():
        print(f"{way:<12}{statistics.median(row):>10.1f}{statistics.median(row) / base:>11.2f}x")


if __name__ == "__main__":
    main()
