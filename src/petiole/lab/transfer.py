"""Handout section 3.2: transfer. First only a new output layer learns, then the whole network."""

import copy
from typing import Any

import torch
from torch import nn

from petiole.data.augment import Augmentation, PhotoBatches
from petiole.errors import GateError
from petiole.lab.bench import Bench, ChapterResult
from petiole.models import backbones
from petiole.records import Train
from petiole.training.distillation import Objective
from petiole.training.features import FeatureBatches, features
from petiole.training.fit import FitConfig, Hooks, fit, has_bfloat16
from petiole.training.statistics import train_with_fixed_statistics
from petiole.variants import Subject

ADAPTED = (
    "The pretrained network with a new output layer of one neuron for each class; only that layer learned, on the "
    "features of the training photos, which the frozen network computed once."
)
OPTIMIZED = (
    "CNNAdapted with all its weights released: retrained as a whole at a small learning rate on random crops of the "
    "training photos, mirrored at random, with mild colour changes."
)


def run(bench: Bench, seed: int) -> ChapterResult:
    """Train and judge ``CNNAdapted`` and ``CNNOptimized``."""
    photos, task = bench.photo_data(), bench.photo_task()
    network = backbones.adapt(bench.backbone, bench.weights.state, classes=len(photos.record.classes), seed=seed)
    network.eval()
    adapted_train, gates = train_output_layer(network, bench, seed)
    adapted = _subject(bench, "CNNAdapted", seed, None, ADAPTED, adapted_train)
    first = bench.line.judge_float(network, task, adapted, gates=gates)
    network.to(memory_format=torch.channels_last)
    train = retrain(network, bench, seed, name="CNNOptimized", epochs=bench.config.effort.transfer_epochs, lr=3e-5)
    optimized = _subject(bench, "CNNOptimized", seed, "CNNAdapted", OPTIMIZED, train)
    second = bench.line.judge_float(network, task, optimized, profiled=True)
    images = len(photos.train.labels) * (1 + train.epochs)
    return ChapterResult(variants=[first, second], images=images)


def train_output_layer(network: nn.Module, bench: Bench, seed: int) -> tuple[Train, dict[str, Any]]:
    """Train the output layer in place on features computed once; returns what the gate saw as well.

    Raises:
        GateError: another parameter or buffer changed; the message names it.
    """
    before = copy.deepcopy(network.state_dict())
    name, layer = backbones.output_layer(network)
    values = features(network, layer, bench.train_inputs())
    config = FitConfig(epochs=bench.config.effort.probe_epochs, lr=3e-3, weight_decay=0.05, warmup=0.0, seed=seed)
    train = fit(layer, FeatureBatches(features=values, labels=bench.photo_data().train.labels), config)
    for key, tensor in network.state_dict().items():
        changed = not torch.equal(tensor, before[key])
        if key.startswith(f"{name}."):
            if key.endswith("weight") and not changed:
                raise GateError(f"the output layer {name} has not learned: its weights are unchanged")
        elif changed:
            raise GateError(f"{key} changed although it was frozen")
    trained = sum(parameter.numel() for parameter in layer.parameters())
    return train, {"frozen_unchanged": True, "trained_parameters": trained}


def retrain(
    network: nn.Module,
    bench: Bench,
    seed: int,
    *,
    name: str,
    epochs: int,
    lr: float,
    objective: Objective | None = None,
    hooks: Hooks | None = None,
) -> Train:
    """Retrain a whole photo network in place, BatchNorm's statistics held: what transfer and pruning share."""
    photos = bench.photo_data()
    config = FitConfig(
        epochs=epochs, lr=lr, weight_decay=0.05, label_smoothing=0.0 if objective else 0.1, bfloat16=has_bfloat16(),
        seed=seed,
    )  # fmt: skip
    batches = PhotoBatches(
        split=photos.train, preprocessing=bench.backbone.preprocessing, augmentation=Augmentation(colour=0.2)
    )

    def held() -> None:
        train_with_fixed_statistics(network)

    with bench.training(name, epochs) as on_epoch:
        return fit(network, batches, config, objective=objective, hooks=hooks, train_mode=held, on_epoch=on_epoch)


def _subject(bench: Bench, name: str, seed: int, parent: str | None, how: str, train: Train) -> Subject:
    return Subject(
        name=name, seed=seed, parent=parent, backbone=bench.backbone.name, how=how, weights=bench.weights_word,
        train=train, architecture=bench.backbone.name,
    )  # fmt: skip
