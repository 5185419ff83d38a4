"""Quantization-aware training as all chapters and both engines do it: what differs is how a network is prepared."""

from collections.abc import Callable
from typing import Any

from torch import nn

from petiole.chain.bench import PhotoBench
from petiole.chain.transfer import CHUNK_IMAGES, training_views
from petiole.quantization.mixed import Mixed
from petiole.records import Train
from petiole.training.distillation import Objective
from petiole.training.fit import Batches, FitConfig, Hooks, fit
from petiole.training.memory import release_freed_memory

CALIBRATION_IMAGES = 32
"""Photos that set the scales before quantization-aware training, which moves them."""


def train_prepared(
    bench: PhotoBench,
    prepared: nn.Module,
    batches: Batches,
    config: FitConfig,
    *,
    freeze: Callable[[nn.Module], None],
    name: str,
    objective: Objective | None = None,
) -> Train:
    """Train a prepared network in place; ``freeze`` fixes its scales for the last of several epochs
    (Krishnamoorthi 2018, "Quantizing deep convolutional networks for efficient inference", section 3.2.4).
    ``objective`` is what is minimized, if it is not cross-entropy."""

    def before_epoch(epoch: int) -> None:
        if epoch == config.epochs > 1:
            freeze(prepared)

    release_freed_memory()
    with bench.training(name, config.epochs) as on_epoch:
        return fit(
            prepared, batches, config, objective=objective, hooks=Hooks(before_epoch=before_epoch), on_epoch=on_epoch,
            checkpoint=bench.checkpoint(name),
        )  # fmt: skip


def train_on_photos(
    bench: PhotoBench, prepared: nn.Module, seed: int, *, freeze: Callable[[nn.Module], None], name: str,
    objective: Objective | None = None,
) -> Train:  # fmt: skip
    """:func:`train_prepared` on the training photos, with the one recipe of both engines, BatchNorm folded or held."""
    config = FitConfig(
        epochs=bench.config.effort.photo_qat_epochs, lr=2e-5, weight_decay=0.0, chunk_images=CHUNK_IMAGES, seed=seed
    )
    return train_prepared(bench, prepared, training_views(bench), config, freeze=freeze, name=name, objective=objective)


def scales(train: Train) -> str:
    """Words for what was done with the scales."""
    return ", scales fixed for the last epoch" if train.epochs > 1 else ""


def plan(name: str, engine: str, calibration_images: int, mixed: Mixed | None = None) -> dict[str, Any]:
    """The quantization recipe as artifacts carry it; ``mixed`` where layers may have gone back to float."""
    how = next(each for each in ("dynamic", "static", "qat") if f"-{each}-" in name)
    recipe: dict[str, Any] = {"how": how, "engine": engine, "weights": "int8 per channel"}
    if how == "dynamic":
        return {"quantization": {**recipe, "weights": "int8 per tensor", "activations": "int8, scale at run time"}}
    recipe |= {"activations": "uint8 per tensor", "calibration_images": calibration_images}
    if mixed is not None:
        recipe["mixed"] = mixed.plan()
    return {"quantization": recipe}
