"""Transfer: a new output layer on features of the frozen network, then all of it retrained."""

import copy
import math
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from petiole.chain.bench import PhotoBench
from petiole.data.augment import Augmentation, PhotoBatches
from petiole.errors import GateError
from petiole.models import backbones
from petiole.records import Train
from petiole.training.averaging import average_with
from petiole.training.checkpoint import Checkpoint
from petiole.training.distillation import Objective
from petiole.training.features import FeatureBatches, features, gathered
from petiole.training.fit import FitConfig, Hooks, fit, has_bfloat16
from petiole.training.kept_features import kept
from petiole.training.statistics import train_with_fixed_statistics

LR = 3e-5
"""Learning rate of retraining the whole transferred network (docs/log.md)."""
FEATURE_IMAGES = 32
"""Photos that go through a frozen backbone together."""
LEAST_STEPS = 500
"""Steps that an output layer learns for at least: a few photos make few steps in an epoch."""
MOST_VIEWS = 40_000
"""Views that an output layer learns from at most, where photos are few enough for it."""
CHUNK_IMAGES = 8
"""Photos that go through a backbone together while it learns: half the memory of a whole batch, and no slower."""


def train_output_layer(network: nn.Module, bench: PhotoBench, seed: int, *, name: str) -> tuple[Train, dict[str, Any]]:
    """Train the output layer of ``name`` in place on features computed once; returns what the gate saw as well.

    Raises:
        GateError: another parameter or buffer changed; the message names it.
    """
    before = copy.deepcopy(network.state_dict())
    output, layer = backbones.output_layer(network)
    began, earlier = time.perf_counter(), sum(bench.earlier)
    depends_on = bench.backbone.name, bench.weights.digest, seed, probe_views(bench), has_bfloat16()
    kept_at = bench.checkpoint(f"{name}, features", *depends_on)
    seen = _frozen_features(network, layer, bench, seed, kept_at)
    epochs = max(bench.config.effort.probe_epochs, math.ceil(LEAST_STEPS * seen.batch_images / len(seen)))
    config = FitConfig(epochs=epochs, lr=1e-3, weight_decay=0.05, warmup=0.0, seed=seed)
    train = fit(layer, seen, config, checkpoint=bench.checkpoint(f"{name}, output layer", *depends_on))
    seconds = time.perf_counter() - began + sum(bench.earlier) - earlier  # features and all, in all processes
    train = train.model_copy(update={"seconds": seconds, "images_per_s": len(seen) / seconds})
    for key, tensor in network.state_dict().items():
        changed = not torch.equal(tensor, before[key])
        if key.startswith(f"{output}."):
            if key.endswith("weight") and not changed:
                raise GateError(f"the output layer {output} has not learned: its weights are unchanged")
        elif changed:
            raise GateError(f"{key} changed although it was frozen")
    trained = sum(parameter.numel() for parameter in layer.parameters())
    return train, {"frozen_unchanged": True, "trained_parameters": trained}


def probe_views(bench: PhotoBench) -> int:
    """How many random views of each photo the output layer learns from beside the fixed one and its mirror image:
    fewer, where there are many photos."""
    return min(bench.config.effort.probe_views, max(0, MOST_VIEWS // len(bench.photo_data().train.labels) - 2))


def _frozen_features(
    network: nn.Module, layer: nn.Module, bench: PhotoBench, seed: int, kept_at: Checkpoint
) -> FeatureBatches:
    """What reaches ``layer`` for each training photo: its fixed view, the mirror image of that, and random views."""
    fixed, labels = bench.train_inputs(), bench.photo_data().train.labels
    batches, generator = training_views(bench), torch.Generator().manual_seed(seed)
    views, shown = probe_views(bench), [labels, labels]

    def every_view() -> Iterator[torch.Tensor]:
        yield from fixed.split(FEATURE_IMAGES)
        yield from (batch.flip(-1) for batch in fixed.split(FEATURE_IMAGES))
        for _ in range(views):
            for inputs, those in batches.epoch(generator):
                shown.append(those)
                yield inputs

    with torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16()):
        parts = kept(lambda done: features(network, layer, every_view(), after=done), kept_at)
        seen = gathered(parts, rows=(2 + views) * len(labels))
    return FeatureBatches(features=seen, labels=torch.cat(shown))


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
            network, training_views(bench), config, objective=objective, hooks=hooks, train_mode=held,
            on_epoch=on_epoch, checkpoint=bench.checkpoint(name),
        )  # fmt: skip
    average_with(network, before)
    return train.model_copy(update={"recipe": f"{train.recipe}, weights averaged with those before"})
