"""Handout section 3.2: transfer. First only a new output layer learns, then the whole network."""

import torch

from petiole import units
from petiole.chain.transfer import LR, probe_views, retrain, train_output_layer
from petiole.lab.bench import Bench, ChapterResult
from petiole.models import backbones
from petiole.records import Train
from petiole.training.memory import release_freed_memory
from petiole.variants import Subject

ADAPTED = (
    "The pretrained network with a new output layer of one neuron for each class; only that layer learned, on features "
    "that the frozen network computed once: of each training photo as it is judged, of its mirror image, and of "
    "{crops} of it."
)
OPTIMIZED = (
    "CNNAdapted with all its weights released: retrained as a whole at a small learning rate on random crops of the "
    "training photos, mirrored at random, with mild colour changes; each weight is then set half-way between its value "
    "before and after."
)


def run(bench: Bench, seed: int, result: ChapterResult) -> None:
    """Train and judge ``CNNAdapted`` and ``CNNOptimized``."""
    photos, task = bench.photo_data(), bench.photo_task()
    network = backbones.adapt(bench.backbone, bench.weights.state, classes=len(photos.record.classes), seed=seed)
    network.eval()
    adapted_train, gates = train_output_layer(network, bench, seed, name="CNNAdapted")
    how = ADAPTED.format(crops=units.counted(probe_views(bench), "random crop"))
    adapted = _subject(bench, "CNNAdapted", seed, None, how, adapted_train)
    release_freed_memory()
    result.variants.append(bench.line.judge_float(network, task, adapted, gates=gates))
    network.to(memory_format=torch.channels_last)
    train = retrain(network, bench, seed, name="CNNOptimized", epochs=bench.config.effort.transfer_epochs, lr=LR)
    optimized = _subject(bench, "CNNOptimized", seed, "CNNAdapted", OPTIMIZED, train)
    result.variants.append(bench.line.judge_float(network, task, optimized))
    result.images = len(photos.train.labels) * (probe_views(bench) + 2 + train.epochs)


def _subject(bench: Bench, name: str, seed: int, parent: str | None, how: str, train: Train) -> Subject:
    return Subject(
        name=name, seed=seed, parent=parent, backbone=bench.backbone.name, how=how, weights=bench.weights_word,
        train=train, architecture=bench.backbone.name,
    )  # fmt: skip
