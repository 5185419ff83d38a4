"""Pruning in depth, on demand: accuracy against amount before and after retraining, for weights and for channels, with
the unpruned network as control; and what each layer and each group of channels means to the network."""

import copy
from dataclasses import replace
from functools import partial

from torch import nn

from petiole.bench.footprint import macs
from petiole.chain.calibration import photos_apart
from petiole.chain.channel_choice import Damages
from petiole.chain.channel_pruner import inner_pruner
from petiole.chain.prune_retrain import Course, of_channels, prune_and_retrain
from petiole.lab import curve, sensitivity
from petiole.lab.bench import Bench, ChapterResult
from petiole.pruning.channels import UnreachableError
from petiole.pruning.pruner import ChannelPruner, MaskPruner, Pruner, Unpruned
from petiole.pruning.unstructured import METHODS
from petiole.records import CurvePoint, Unreached

CONTROL, CHANNELS, RANDOM_CHANNELS = "control", "structured", "structured-random"


def run(bench: Bench, course: Course, result: ChapterResult) -> None:
    """Add the points after retraining, those of channels, the control, and the sensitivities; what fails is a row, and
    an amount that channels cannot reach is recorded as such."""
    epochs = bench.config.effort.retrain_global_epochs
    attempt = partial(result.attempt, stage="pruning", seed=course.seed, say=bench.say)
    damage, has_channels = None, False
    with attempt("study: sensitivity of channels"):
        damage, has_channels = _sensitivity_of_channels(bench, course, result), True
    with attempt("study: sensitivity of weights"):
        result.sensitivities += sensitivity.of_weights(bench, course.unpruned, course.seed)
    with attempt("study: control"):
        result.curves.append(_control(bench, course, epochs))
    for amount in bench.config.effort.study_amounts:
        methods: list[str] = list(METHODS)
        for method in _ways(bench) if has_channels else ():  # else what keeps them from leaving is told once
            with attempt(f"study: {method}, {amount:.0%}, not retrained"):
                if _cut(bench, course, method, amount, damage, result):
                    methods.append(method)
        for method in methods:
            with attempt(f"study: {method}, {amount:.0%}"):
                pruner = _pruner(bench, course, method, amount, damage)
                how = course if method in METHODS else of_channels(course, bench.config)
                prune_and_retrain(pruner, how, epochs=epochs, name=f"{method}, {amount:.0%}")
                result.curves.append(_point(bench, course, pruner, method, amount, retrained=True))


def _ways(bench: Bench) -> tuple[str, ...]:
    """Channels as the run chooses them and, to show what choosing is worth, at random."""
    return (CHANNELS,) if bench.config.importance == "random" else (CHANNELS, RANDOM_CHANNELS)


def _sensitivity_of_channels(bench: Bench, course: Course, result: ChapterResult) -> Damages | None:
    """It says how channels are spread, where they are spread by it."""
    shown = photos_apart(bench, course.seed)[0]
    whole = inner_pruner(bench, course.unpruned, course.seed, left=bench.config.macs, shown=shown)
    rows = sensitivity.of_channels(bench, whole, course.seed)
    result.sensitivities += rows
    return sensitivity.damage(rows) if bench.config.spread == "sensitivity" else None


def _cut(
    bench: Bench, course: Course, method: str, amount: float, damage: Damages | None, result: ChapterResult
) -> bool:
    """The point of channels before retraining; False where so many cannot leave, which is recorded instead."""
    cut = _channels(bench, course, method, amount, damage)
    try:
        cut.prune(1.0)
    except UnreachableError as error:
        most = 1 - error.least
        result.unreached.append(Unreached(method=method, seed=course.seed, amount=amount, most=most))
        bench.say(f"study: {method} cannot reach {amount:.0%} of the multiply-accumulates, {most:.1%} at most")
        return False
    cut.finish()
    result.curves.append(_point(bench, course, cut, method, amount, retrained=False))
    return True


def _pruner(bench: Bench, course: Course, method: str, amount: float, damage: Damages | None) -> Pruner:
    if method not in METHODS:
        return _channels(bench, course, method, amount, damage)
    network = copy.deepcopy(course.unpruned)
    return MaskPruner(network=network, amount=amount, method=method, scope="global", seed=course.seed)


def _channels(bench: Bench, course: Course, method: str, amount: float, damage: Damages | None) -> ChannelPruner:
    return inner_pruner(
        bench, course.unpruned, course.seed, left=1 - amount, damage=damage,
        shown=sensitivity.choosing(bench, course.seed, damage),
        importance="random" if method == RANDOM_CHANNELS else None,
    )  # fmt: skip


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
