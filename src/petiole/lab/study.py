"""Pruning in depth, on demand: accuracy against amount before and after retraining, for weights and for channels, with
the unpruned network as control; and what each layer and each group of channels means to the network."""

import copy
from collections.abc import Iterator
from dataclasses import replace

from torch import nn

from petiole.bench.footprint import macs
from petiole.chain.calibration import photos_apart
from petiole.chain.channel_choice import Damages
from petiole.chain.channel_pruner import inner_pruner
from petiole.chain.prune_retrain import Course, of_channels, prune_and_retrain
from petiole.lab import curve, sensitivity
from petiole.lab.bench import Bench, ChapterResult
from petiole.pruning.pruner import ChannelPruner, MaskPruner, Pruner, Unpruned
from petiole.pruning.unstructured import METHODS
from petiole.records import CurvePoint

CONTROL, CHANNELS = "control", "structured"


def run(bench: Bench, course: Course, result: ChapterResult) -> None:
    """Add the points after retraining, those of channels, the control, and the sensitivities."""
    seed, epochs = course.seed, bench.config.effort.retrain_global_epochs
    damage = _sensitivities(bench, course, result)
    result.curves.append(_control(bench, course, epochs))
    for amount in bench.config.effort.study_amounts:
        label = f"channels, {amount:.0%} of the multiply-accumulates"
        with result.attempt(f"study: {label}", "pruning", seed, bench.say):
            cut = inner_pruner(bench, course.unpruned, course.seed, left=1 - amount, damage=damage)
            cut.prune(1.0)
            cut.finish()
            result.curves.append(_point(bench, course, cut, CHANNELS, amount, retrained=False))
        for method, pruner in _pruners(bench, course, amount, damage):
            with result.attempt(f"study: {method}, {amount:.0%}", "pruning", seed, bench.say):
                how = of_channels(course, bench.config) if method == CHANNELS else course
                prune_and_retrain(pruner, how, epochs=epochs, name=f"{method}, {amount:.0%}")
                result.curves.append(_point(bench, course, pruner, method, amount, retrained=True))


def _sensitivities(bench: Bench, course: Course, result: ChapterResult) -> Damages | None:
    """Of channels and of weights; those of channels say how channels are spread, where they are spread by them."""
    shown = photos_apart(bench, course.seed)[0]
    whole = inner_pruner(bench, course.unpruned, course.seed, left=bench.config.macs, shown=shown)
    rows = sensitivity.of_channels(bench, whole, course.seed)
    result.sensitivities += [*rows, *sensitivity.of_weights(bench, course.unpruned, course.seed)]
    return sensitivity.damage(rows) if bench.config.spread == "sensitivity" else None


def _pruners(bench: Bench, course: Course, amount: float, damage: Damages | None) -> Iterator[tuple[str, Pruner]]:
    for method in METHODS:
        network = copy.deepcopy(course.unpruned)
        yield method, MaskPruner(network=network, amount=amount, method=method, scope="global", seed=course.seed)
    yield CHANNELS, inner_pruner(bench, course.unpruned, course.seed, left=1 - amount, damage=damage)


def _control(bench: Bench, course: Course, epochs: int) -> CurvePoint:
    """The unpruned network through the same loop, for as long, from the labels: what retraining alone brings."""
    network = copy.deepcopy(course.unpruned)
    prune_and_retrain(
        Unpruned(network=network), replace(course, is_taught=False), epochs=epochs, name="control, unpruned"
    )
    return curve.point(bench, network, method=CONTROL, seed=course.seed, amount=0.0, sparsity=0.0, retrained=True)


def _point(bench: Bench, course: Course, pruner: Pruner, method: str, amount: float, *, retrained: bool) -> CurvePoint:
    reached = _removed(bench, pruner.network, course.unpruned) if isinstance(pruner, ChannelPruner) else None
    sparsity = pruner.require() if reached is None else reached
    return curve.point(
        bench, pruner.network, method=method, seed=course.seed, amount=amount, sparsity=sparsity or 0.0,
        retrained=retrained,
    )  # fmt: skip


def _removed(bench: Bench, network: nn.Module, unpruned: nn.Module) -> float:
    """Share of the multiply-accumulates that are gone."""
    shape = bench.backbone.preprocessing.input_shape
    return 1 - macs(network, shape) / macs(unpruned, shape)
