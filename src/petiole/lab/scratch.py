"""Handout section 3.1: a CNN of our own, trained from random weights."""

import torch

from petiole.data.augment import Augmentation, PhotoBatches
from petiole.lab.bench import Bench, ChapterResult
from petiole.models.scratch import CNNScratch
from petiole.preprocessing import SMALL
from petiole.training.fit import FitConfig, fit, has_bfloat16
from petiole.variants import Subject

HOW = (
    "Four stages of 3x3 convolutions with BatchNorm, global average pooling and one linear layer, on 128x128 views; "
    "each epoch shows every training photo once as a random crop, mirrored at random, with changed brightness, "
    "contrast and saturation."
)


def run(bench: Bench, seed: int, result: ChapterResult) -> None:
    """Train and judge ``CNNScratch``."""
    photos = bench.photo_data()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = CNNScratch(len(photos.record.classes)).to(memory_format=torch.channels_last)
    config = FitConfig(
        epochs=bench.config.effort.scratch_epochs, lr=2e-3, weight_decay=0.05, label_smoothing=0.1,
        bfloat16=has_bfloat16(), seed=seed,
    )  # fmt: skip
    batches = PhotoBatches(split=photos.train, preprocessing=SMALL, augmentation=Augmentation(colour=0.2))
    with bench.training("CNNScratch", config.epochs) as on_epoch:
        train = fit(network, batches, config, on_epoch=on_epoch, checkpoint=bench.checkpoint("CNNScratch"))
    subject = Subject(
        name="CNNScratch", seed=seed, parent=None, backbone="CNNScratch", how=HOW, weights="from scratch",
        train=train, architecture="CNNScratch",
    )  # fmt: skip
    result.variants.append(bench.line.judge_float(network, bench.scratch_task(), subject))
    result.images = len(batches) * train.epochs
