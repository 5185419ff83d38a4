"""A recipe carried out: transfer, fewer channels, zeros, int8; then judged as every network is.

Each step is stored, so that recipes share what they have in common: the float network at an input size, or the smaller
one that is quantized in several ways.
"""

import copy
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from petiole.called import read_called
from petiole.chain import qat
from petiole.chain.bench import PhotoBench
from petiole.chain.calibration import calibration
from petiole.chain.channel_pruner import inner_pruner
from petiole.chain.prune_retrain import (
    Course,
    of_channels,
    photo_course,
    prune_and_retrain,
    refit_masked,
    require_smaller,
)
from petiole.chain.transfer import LR, retrain, train_output_layer
from petiole.deploy.artifact import WEIGHTS, load_weights, read_card, save_weights
from petiole.download import sha256_of
from petiole.errors import UserError
from petiole.models import backbones
from petiole.pruning.pruner import MaskPruner, Pruner
from petiole.pruning.structured import Plan, rebuild
from petiole.quantization import pt2e
from petiole.quantization.mixed import quantize_within
from petiole.records import Train, Variant
from petiole.rundir import digest
from petiole.search.part import Part
from petiole.search.recipe import Recipe
from petiole.training.memory import release_freed_memory
from petiole.variants import Subject

MADE, SEAL = "made.json", "seal"


@dataclass(frozen=True, kw_only=True)
class Built:
    """A float network, what was cut from it, the training that it ended with, and how long it took to make it."""

    network: nn.Module
    plan: Plan
    train: Train | None
    seconds: float
    masked: tuple[str, ...] = ()


def whole(recipe: Recipe) -> Recipe:
    """The float network that a recipe starts from, at its input size."""
    return Recipe(backbone=recipe.backbone, size_px=recipe.size_px, quantization="none")


def judge(part: Part, recipe: Recipe, *, reference: Recipe | None) -> Variant:
    """Make a recipe's network and judge it on the part's held-out photos; once, then it is read back.

    Raises:
        GateError: a step did nothing, or the deployed file does not do as the network does.
        GoalError: so few multiply-accumulates cannot be reached.
        TrainingError: the loss is no number.
    """
    other = reference if reference != recipe else None
    basis = {"part": part.basis, "recipe": recipe.model_dump(), "reference": other and other.model_dump()}
    if (finished := _finished(part, recipe, basis)) is not None:
        return finished
    part.rundir.forget(f"judged-{recipe.name}")  # its artifact is about to be overwritten
    built, bench = build(part, recipe), part.bench(recipe)
    variant = _judge(part, bench, recipe, built, other)
    release_freed_memory()
    part.rundir.save(f"judged-{recipe.name}", basis, variant.model_dump(mode="json"))
    part.rundir.forget_trainings()
    return variant


def _finished(part: Part, recipe: Recipe, basis: object) -> Variant | None:
    """What was judged earlier; None where nothing was, or not all of it is there any more."""
    stored = part.rundir.load(f"judged-{recipe.name}", basis)
    if stored is None:
        return None
    variant = Variant.model_validate(stored)
    try:
        if variant.artifact is not None:
            read_card(part.rundir.path / variant.artifact)
        read_called(part.rundir.path, variant)
    except UserError as error:
        part.say(f"{recipe.name}: judged earlier, but not whole any more; done again ({error})")
        return None
    return variant


def build(part: Part, recipe: Recipe) -> Built:
    """The float network of a recipe, without its quantization; made once for each part, then read back."""
    recipe = recipe.model_copy(update={"quantization": "none"})
    folder = part.rundir.path / "networks" / recipe.name
    basis = digest({"part": part.basis, "recipe": recipe.model_dump()})
    stored = _stored(part, recipe, folder, basis)
    if stored is not None:
        return _read_back(part, recipe, stored, load_weights(folder))
    began = time.perf_counter()
    built = _masked(part, recipe) if recipe.amount else _cut(part, recipe) if recipe.macs < 1 else _whole(part, recipe)
    built = replace(built, seconds=time.perf_counter() - began)
    with part.rundir.replacing(folder) as directory:
        save_weights(built.network.state_dict(), directory)
        content = {
            "basis": basis, "plan": built.plan, "masked": built.masked, "seconds": built.seconds,
            "train": built.train and built.train.model_dump(mode="json"), "sha256": sha256_of(directory / WEIGHTS),
        }  # fmt: skip
        (directory / MADE).write_text(json.dumps({**content, SEAL: digest(content)}), encoding="utf-8")
    part.rundir.forget_trainings()
    return built


def _stored(part: Part, recipe: Recipe, folder: Path, basis: str) -> dict[str, Any] | None:
    """What was written about a network that was made on this basis, if all of it is as it was written."""
    if not (folder / MADE).is_file():
        return None
    try:
        stored: dict[str, Any] = json.loads((folder / MADE).read_text(encoding="utf-8"))
        if stored["basis"] != basis:
            return None
        is_whole = stored.pop(SEAL) == digest(stored) and stored["sha256"] == sha256_of(folder / WEIGHTS)
    except (ValueError, KeyError, TypeError, RecursionError, OSError):
        is_whole = False
    if is_whole:
        return stored
    part.say(f"warning: {folder} is damaged: {recipe.name} is made again")
    return None


def _read_back(part: Part, recipe: Recipe, stored: dict[str, Any], state: dict[str, torch.Tensor]) -> Built:
    backbone = backbones.find(recipe.backbone).at(recipe.size_px)
    network = backbones.adapt(backbone, None, classes=len(part.photos.record.classes), seed=part.seed).eval()
    plan = [(name, channels) for name, channels in stored["plan"]]
    if plan:
        network = rebuild(network, torch.zeros(1, *backbone.preprocessing.input_shape), plan)
    backbones.load_state(network, state, what=f"the weights of {recipe.name}")
    train = Train.model_validate(stored["train"]) if stored["train"] else None
    return Built(
        network=network.eval(), plan=plan, train=train, seconds=stored["seconds"], masked=tuple(stored["masked"])
    )


def _whole(part: Part, recipe: Recipe) -> Built:
    """A new output layer, then all of it retrained (handout section 3.2)."""
    bench = part.bench(recipe)
    classes = len(part.photos.record.classes)
    network = backbones.adapt(bench.backbone, bench.weights.state, classes=classes, seed=part.seed).eval()
    train, _ = train_output_layer(network, bench, part.seed, name=recipe.name)
    release_freed_memory()
    if part.retrains:
        network.to(memory_format=torch.channels_last)
        epochs = part.config.effort.transfer_epochs
        train = retrain(network, bench, part.seed, name=recipe.name, epochs=epochs, lr=LR)
        network.to(memory_format=torch.contiguous_format)
    return Built(network=network.eval(), plan=[], train=train, seconds=0.0)


def _cut(part: Part, recipe: Recipe) -> Built:
    """Channels leave until the recipe's share of the multiply-accumulates is left; what is left is refitted."""
    bench, unpruned = part.bench(recipe), build(part, whole(recipe)).network
    pruner = inner_pruner(bench, unpruned, part.seed, left=recipe.macs)
    course = of_channels(photo_course(bench, unpruned, part.seed), part.config)
    train = _prune(part, pruner, course, recipe.name)
    require_smaller(
        recipe.name, pruner.network, unpruned, bench.backbone.preprocessing.input_shape, macs_left=recipe.macs
    )
    return Built(network=pruner.network.eval(), plan=pruner.plan, train=train, seconds=0.0)


def _masked(part: Part, recipe: Recipe) -> Built:
    """The smallest of the remaining weights become zero; what is left is refitted."""
    bench, dense = part.bench(recipe), build(part, recipe.model_copy(update={"amount": 0.0}))
    network = copy.deepcopy(dense.network)
    pruner = MaskPruner(network=network, amount=recipe.amount, method="magnitude", scope="global", seed=part.seed)
    train = _prune(part, pruner, photo_course(bench, dense.network, part.seed), recipe.name)
    return Built(network=network.eval(), plan=dense.plan, train=train, seconds=0.0, masked=tuple(sorted(pruner.masks)))


def _prune(part: Part, pruner: Pruner, course: Course, name: str) -> Train | None:
    if part.retrains:
        return prune_and_retrain(pruner, course, epochs=part.config.effort.structured_epochs, name=name).train
    refit_masked(course, pruner.network, pruner.prune(1.0), name)
    pruner.finish()
    pruner.network.to(memory_format=torch.contiguous_format)
    return None


def _judge(part: Part, bench: PhotoBench, recipe: Recipe, built: Built, reference: Recipe | None) -> Variant:
    network, task = built.network, bench.photo_task()
    if recipe.quantization == "none":
        subject = _subject(part, bench, recipe, built, reference, built.train, {})
        return bench.line.judge_float(network, task, subject)
    graph = pt2e.export_graph(network, bench.backbone.preprocessing.input_shape)
    shown, held_out = calibration(bench, part.seed)
    if recipe.quantization == "qat" and part.retrains:
        few, prepared = shown[: qat.CALIBRATION_IMAGES], pt2e.prepare_qat(graph)
        pt2e.calibrate(prepared, few)
        course = photo_course(bench, build(part, whole(recipe)).network, part.seed)
        train = qat.train_on_photos(
            bench, prepared, part.seed, freeze=pt2e.freeze_observers, name=recipe.name, objective=course.teacher()
        )
        plan = qat.plan("-qat-", "pt2e", len(few))
        subject = _subject(part, bench, recipe, built, reference, train, plan)
        return bench.line.judge_pt2e(pt2e.convert(prepared), network, task, subject, trained=prepared.state_dict())
    if recipe.quantization == "mixed":
        mixed = quantize_within(graph, shown, held_out, max_drop=part.config.max_drop / 100, say=part.say)
        plan = qat.plan("-static-", "pt2e", len(shown), mixed)
        subject = _subject(part, bench, recipe, built, reference, built.train, plan, mixed.describe())
        return bench.line.judge_pt2e(mixed.graph, network, task, subject, floating=mixed.floating)
    prepared = pt2e.prepare_static(graph)
    pt2e.calibrate(prepared, shown)
    subject = _subject(part, bench, recipe, built, reference, built.train, qat.plan("-static-", "pt2e", len(shown)))
    return bench.line.judge_pt2e(pt2e.convert(prepared), network, task, subject)


def _subject(
    part: Part, bench: PhotoBench, recipe: Recipe, built: Built, reference: Recipe | None, train: Train | None,
    quantization: dict[str, Any], told: str = "",
) -> Subject:  # fmt: skip
    pruning: dict[str, Any] = {}
    if built.plan or built.masked:
        pruning = {"method": part.config.importance, "channels": built.plan}
    if built.masked:
        pruning |= {"amount": recipe.amount, "parameters": built.masked}
    is_float = recipe.quantization == "none"
    return Subject(
        name=recipe.name, seed=part.seed, parent=reference.name if reference else None,
        backbone=recipe.backbone, engine="torch" if is_float else "pt2e", how=_how(part, recipe) + told,
        weights=bench.weights_word, train=train,
        architecture=f"{recipe.backbone} {recipe.size_px} {digest(built.plan)}" if is_float else "",
        plan={**({"pruning": pruning} if pruning else {}), **quantization},
    )  # fmt: skip


QUANTIZED = {
    "static": "int8 by static quantization, calibrated with training photos",
    "mixed": "int8 by static quantization, with layers back in float where it would cost more than allowed",
    "qat": "int8 by quantization-aware training with the float network as teacher",
}


def _how(part: Part, recipe: Recipe) -> str:
    """How it was made, in a sentence."""
    steps: Sequence[str] = [
        f"{recipe.backbone} at {recipe.size_px} x {recipe.size_px} pixels, a new output layer trained on its features",
        *(["all of it retrained"] if part.retrains else []),
        *([f"channels removed until at most {recipe.macs:.0%} of the multiply-accumulates are left, the rest refitted "
           f"and taught by the network before"] if recipe.macs < 1 else []),
        *([f"the smallest {recipe.amount:.0%} of the weights set to zero"] if recipe.amount else []),
        *([QUANTIZED[recipe.quantization]] if recipe.quantization != "none" else []),
    ]  # fmt: skip
    return "; ".join(steps) + "."
