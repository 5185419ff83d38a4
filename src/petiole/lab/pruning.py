"""Handout section 3.3: random pruning of the first convolution and of the whole network, then retraining."""

import copy
import time
from statistics import fmean

import torch
from torch import nn
from torch.fx import GraphModule

from petiole.deploy.artifact import load_weights
from petiole.errors import GateError
from petiole.lab.bench import Bench, ChapterResult
from petiole.lab.transfer import retrain
from petiole.pruning.refit import refit, trace
from petiole.pruning.unstructured import Masks, Method, Scope, hold, masked_share, prune_weights, require_sparsity
from petiole.records import CurvePoint, Train, Variant
from petiole.training.distillation import Distillation
from petiole.training.evaluate import predict
from petiole.training.fit import Hooks, has_bfloat16
from petiole.training.memory import release_freed_memory
from petiole.variants import Subject

BASELINE = "CNNOptimized"
"""What is pruned, and what the retrained networks are compared with beside their parents."""

METHODS: tuple[Method, ...] = ("random", "magnitude")
WHERE: dict[Scope, str] = {
    "first": "of the first convolution",
    "global": "of all convolutions and linear layers together",
}

RETRAINED = (
    "First the remaining weights of each pruned convolution, and a constant, were refitted, layer by layer, by least "
    "squares, so that it answers on {photos} training photos as it did before; then the whole network learned on the "
    "training photos to answer as CNNOptimized does (knowledge distillation), and after every step the pruned weights "
    "were set back to zero; each weight is then set half-way between its refitted and its retrained value."
)


def run(bench: Bench, seed: int, result: ChapterResult) -> None:
    """Prune, judge, retrain with masks held, judge; then the curve of accuracy against amount."""
    effort = bench.config.effort
    optimized = bench.photo_network(BASELINE, seed)
    traced = trace(optimized, bench.train_inputs()[:2])
    scopes: tuple[tuple[Scope, str, int], ...] = (
        ("first", "CNNPrunedF", effort.retrain_first_epochs),
        ("global", "CNNPrunedG", effort.retrain_global_epochs),
    )
    for scope, name, epochs in scopes:
        with result.attempt(name, "pruning", seed, bench.say):
            network = copy.deepcopy(optimized)
            amount = bench.config.amount
            masks = prune_weights(network, amount=amount, method="random", scope=scope, seed=seed)
            how = f"{amount:.0%} of the weights {WHERE[scope]}, chosen at random, set to zero; not retrained."
            result.variants.append(_judge(bench, network, masks, seed, name, BASELINE, how))
            with result.attempt(f"{name}O", "pruning", seed, bench.say):
                train = _retrain(bench, network, optimized, traced, masks, seed, f"{name}O", epochs)
                photos = len(bench.photo_data().train.labels)
                how = f"{name} retrained. {RETRAINED.format(photos=min(effort.refit_photos, photos))}"
                result.variants.append(_judge(bench, network, masks, seed, f"{name}O", name, how, train))
                result.images += train.epochs * photos
    result.curves = _curve(bench, optimized, seed)


def refit_masked(
    bench: Bench, network: nn.Module, unpruned: nn.Module, traced: GraphModule, masks: Masks, seed: int, name: str
) -> None:
    """Refit, in place, what masks have left of the convolutions: what masks and removed channels share.

    Raises:
        GateError: it brought them no nearer to what they answered before.
    """
    release_freed_memory()
    photos = bench.refit_inputs(seed)
    fitted = refit(network, unpruned, masks, photos, bfloat16=has_bfloat16(), seed=seed, traced=traced)
    release_freed_memory()
    if not fitted:
        return  # linear layers alone use what was pruned: they are only retrained
    before, after = (fmean(getattr(one, key) for one in fitted) for key in ("error_before", "error_after"))
    if after >= before:
        raise GateError(f"refitting {name} changed nothing: mean error {before:.3g} before, {after:.3g} after")
    bench.say(f"{name}: refitted {len(fitted)} convolutions, mean error {before:.3f} -> {after:.3f}")


def _retrain(
    bench: Bench, network: nn.Module, unpruned: nn.Module, traced: GraphModule, masks: Masks, seed: int, name: str,
    epochs: int,
) -> Train:  # fmt: skip
    """Refit, then retrain with the masks held; the gate looks after every epoch.

    Raises:
        GateError: refitting brought no convolution nearer to what it answered before, or a pruned weight came back.
    """
    amount, began = bench.config.amount, time.perf_counter()
    refit_masked(bench, network, unpruned, traced, masks, seed, name)

    def after_epoch(epoch: int) -> float:
        return require_sparsity(network, masks, amount)

    hooks = Hooks(after_step=lambda: hold(network, masks), after_epoch=after_epoch)
    for each in (network, unpruned):
        each.to(memory_format=torch.channels_last)
    taught = Distillation(teacher=unpruned)
    train = retrain(network, bench, seed, name=name, epochs=epochs, lr=5e-5, objective=taught, hooks=hooks)
    return train.model_copy(update={"seconds": time.perf_counter() - began, "recipe": f"refit; {train.recipe}"})


def _judge(bench: Bench, network: nn.Module, masks: Masks, seed: int, name: str, parent: str, how: str,
           train: Train | None = None) -> Variant:  # fmt: skip
    """Judge a pruned network; its sparsity is checked again on what was stored."""
    network.to(memory_format=torch.contiguous_format)
    amount = bench.config.amount
    subject = Subject(
        name=name, seed=seed, parent=parent, baseline=None if parent == BASELINE else BASELINE,
        backbone=bench.backbone.name, how=how, weights=bench.weights_word, train=train,
        architecture=bench.backbone.name,
        plan={"pruning": {"method": "random", "amount": amount, "parameters": sorted(masks)}},
    )  # fmt: skip
    reached = require_sparsity(network, masks, amount)
    # Pretrained weights may hold zeros of their own: what was pruned is told beside all that are zero.
    gates = {"pruned": round(masked_share(masks), 6), "sparsity": round(reached, 6)}
    variant = bench.line.judge_float(network, bench.photo_task(), subject, gates=gates, profiled=True)
    stored = copy.deepcopy(network)
    stored.load_state_dict(load_weights(bench.line.rundir.artifact(subject.folder)))
    require_sparsity(stored, masks, amount)
    return variant


def _curve(bench: Bench, optimized: nn.Module, seed: int) -> list[CurvePoint]:
    """Accuracy on the test split against amount, before retraining; drawn, never used to choose anything."""
    task = bench.photo_task()
    points = []
    for method in METHODS:
        for amount in bench.config.effort.curve_amounts:
            network = copy.deepcopy(optimized)
            masks = prune_weights(network, amount=amount, method=method, scope="global", seed=seed)
            network.to(memory_format=torch.channels_last)
            accuracy = predict(network, task.inputs, task.labels).accuracy(task.classes)
            points.append(
                CurvePoint(
                    method=method,
                    scope="global",
                    seed=seed,
                    amount=amount,
                    sparsity=require_sparsity(network, masks, amount),
                    correct=accuracy.correct,
                    total=accuracy.total,
                )
            )
        bench.say(f"curve of {method} pruning: {len(bench.config.effort.curve_amounts)} amounts judged")
    return points
