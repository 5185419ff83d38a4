"""Transfer: a new output layer on features of the frozen network, then all of it retrained."""

import copy
import time
from itertools import chain
from typing import Any

import torch
from torch import nn

from petiole.chain.bench import PhotoBench
from petiole.data.augment import Augmentation, PhotoBatches
from petiole.errors import GateError
from petiole.models import backbones
from petiole.records import Train
from petiole.training.averaging import average_with
from petiole.training.distillation import Objective
from petiole.training.features import FeatureBatches, features
from petiole.training.fit import FitConfig, Hooks, fit, has_bfloat16
from petiole.training.statistics import train_with_fixed_statistics

LR = 3e-5
"""Learning rate of retraining the whole transferred network (docs/log.md)."""
CHUNK_IMAGES = 8
"""Photos that go through a backbone together while it learns: half the memory of a whole batch, and no slower."""


def train_output_layer(network: nn.Module, bench: PhotoBench, seed: int) -> tuple[Train, dict[str, Any]]:
    """Train the output layer in place on features computed once; returns what the gate saw as well.

    Raises:
        GateError: another parameter or buffer changed; the message names it.
    """
    before = copy.deepcopy(network.state_dict())
    name, layer = backbones.output_layer(network)
    config = FitConfig(epochs=bench.config.effort.probe_epochs, lr=1e-3, weight_decay=0.05, warmup=0.0, seed=seed)
    began = time.perf_counter()
    seen = _frozen_features(network, layer, bench, seed)
    train = fit(layer, seen, config)
    seconds = time.perf_counter() - began  # features and all: photos pass through the network once for each view
    train = train.model_copy(update={"seconds": seconds, "images_per_s": len(seen) / seconds})
    for key, tensor in network.state_dict().items():
        changed = not torch.equal(tensor, before[key])
        if key.startswith(f"{name}."):
            if key.endswith("weight") and not changed:
                raise GateError(f"the output layer {name} has not learned: its weights are unchanged")
        elif changed:
            raise GateError(f"{key} changed although it was frozen")
    trained = sum(parameter.numel() for parameter in layer.parameters())
    return train, {"frozen_unchanged": True, "trained_parameters": trained}


def _frozen_features(network: nn.Module, layer: nn.Module, bench: PhotoBench, seed: int) -> FeatureBatches:
    """What reaches ``layer`` for each training photo: its fixed view, the mirror image of that, and random views."""
    fixed, labels = bench.train_inputs(), bench.photo_data().train.labels
    batches, generator = training_views(bench), torch.Generator().manual_seed(seed)
    passes = [batches.epoch(generator) for _ in range(bench.config.effort.probe_views)]
    with torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16()):
        seen = [
            (features(network, layer, inputs).float(), shown)
            for inputs, shown in chain([(fixed, labels), (fixed.flip(-1), labels)], *passes)
        ]
    return FeatureBatches(features=torch.cat([one for one, _ in seen]), labels=torch.cat([one for _, one in seen]))


def training_views(bench: PhotoBench) -> PhotoBatches:
    """The training photos as every chapter shows them to the backbone: random crops, mirrored, colours changed."""
    return PhotoBatches(
        split=bench.photo_data().train, preprocessing=bench.backbone.preprocessing,
        augmentation=Augmentation(colour=0.2),
    )  # fmt: skip


def retrain(
    network: nn.Module,
    bench: PhotoBench,
    seed: int,
    *,
    name: str,
    epochs: int,
    lr: float,
    objective: Objective | None = None,
    hooks: Hooks | None = None,
) -> Train:
    """Retrain a whole photo network in place, BatchNorm's statistics held, then average it with what it was before:
    what transfer and pruning share."""
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    config = FitConfig(
        epochs=epochs, lr=lr, weight_decay=0.05, bfloat16=has_bfloat16(), chunk_images=CHUNK_IMAGES, seed=seed
    )

    def held() -> None:
        train_with_fixed_statistics(network)

    with bench.training(name, epochs) as on_epoch:
        train = fit(
            network, training_views(bench), config, objective=objective, hooks=hooks, train_mode=held, on_epoch=on_epoch
        )
    average_with(network, before)
    return train.model_copy(update={"recipe": f"{train.recipe}, weights averaged with those before"})
