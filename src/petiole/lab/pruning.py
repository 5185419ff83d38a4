"""Handout section 3.3: pruning of the first convolution and of the whole network, at random and by magnitude, then
retraining; and the curve of accuracy against amount."""

import copy
from functools import partial

import torch
from torch import nn

from petiole.chain.prune_retrain import Course, gradually, photo_course, prune_and_retrain
from petiole.deploy.artifact import load_weights
from petiole.lab import curve, study
from petiole.lab.bench import BASELINE, Bench, ChapterResult
from petiole.pruning.pruner import MaskPruner
from petiole.pruning.unstructured import METHODS, Masks, Method, Scope, masked_share, prune_weights, require_sparsity
from petiole.records import Train, Variant
from petiole.variants import Subject

WHERE: dict[Scope, str] = {
    "first": "of the first convolution",
    "global": "of all convolutions and linear layers together",
}
WHICH: dict[Method, str] = {"random": "chosen at random", "magnitude": "the smallest"}

AFTER_STEPS: dict[Method, str] = {
    "random": " after each step",
    "magnitude": " after each step (before it the smallest were looked up anew, so that some differ)",
}

RETRAINED = (
    "CNNOptimized pruned anew as {name} was{gradually}, and retrained{after}. First the "
    "remaining weights of each pruned convolution, and a constant, were refitted, layer by layer, by least squares, so "
    "that it answers on {photos} training photos as it did before; then the whole network learned on the training "
    "photos to answer as CNNOptimized does (knowledge distillation), and after every batch of that the pruned weights "
    "were set back to zero; each weight is then set half-way between its refitted and its retrained value."
)


def run(bench: Bench, seed: int, result: ChapterResult) -> None:
    """Prune, judge, retrain with masks held, judge; then the curve of accuracy against amount; a study on demand."""
    course = photo_course(bench, bench.photo_network(BASELINE, seed), seed)
    for method in METHODS:
        for scope in ("first", "global"):
            _scope(bench, course, method, scope, result)
    result.curves = curve.before_retraining(bench, course.unpruned, seed)
    if bench.config.study:
        study.run(bench, course, result)


def names(method: Method, scope: Scope) -> tuple[str, str]:
    """What the network is called before and after retraining."""
    ending = "" if method == "random" else f"-{method}"
    letter = "F" if scope == "first" else "G"
    return f"CNNPruned{letter}{ending}", f"CNNPruned{letter}O{ending}"


def _scope(bench: Bench, course: Course, method: Method, scope: Scope, result: ChapterResult) -> None:
    effort, amount, seed = bench.config.effort, bench.config.amount, course.seed
    raw, retrained = names(method, scope)
    judge = partial(_judge, bench, seed, method)
    with result.attempt(raw, "pruning", seed, bench.say):
        network = copy.deepcopy(course.unpruned)
        masks = prune_weights(network, amount=amount, method=method, scope=scope, seed=seed)
        how = f"{amount:.0%} of the weights {WHERE[scope]}, {WHICH[method]}, set to zero; not retrained."
        result.variants.append(judge(network, masks, name=raw, parent=BASELINE, how=how))
        with result.attempt(retrained, "pruning", seed, bench.say):
            pruner = MaskPruner(
                network=copy.deepcopy(course.unpruned), amount=amount, method=method, scope=scope, seed=seed
            )
            epochs = effort.retrain_first_epochs if scope == "first" else effort.retrain_global_epochs
            done = prune_and_retrain(pruner, course, epochs=epochs, name=retrained)
            told, after = gradually(course, done.steps), AFTER_STEPS[method] if len(done.steps) > 1 else ""
            how = RETRAINED.format(name=raw, gradually=told.removesuffix(","), after=after, photos=len(course.inputs))
            result.variants.append(
                judge(pruner.network, pruner.masks, name=retrained, parent=raw, how=how, train=done.train)
            )
            result.images += done.train.epochs * len(bench.photo_data().train.labels)


def _judge(bench: Bench, seed: int, method: Method, network: nn.Module, masks: Masks, *, name: str, parent: str,
           how: str, train: Train | None = None) -> Variant:  # fmt: skip
    """Judge a pruned network; its sparsity is checked again on what was stored."""
    network.to(memory_format=torch.contiguous_format)
    amount = bench.config.amount
    subject = Subject(
        name=name, seed=seed, parent=parent, baseline=None if parent == BASELINE else BASELINE,
        backbone=bench.backbone.name, how=how, weights=bench.weights_word, train=train,
        architecture=bench.backbone.name,
        plan={"pruning": {"method": method, "amount": amount, "parameters": sorted(masks)}},
    )  # fmt: skip
    reached = require_sparsity(network, masks, amount)
    # Pretrained weights may hold zeros of their own: what was pruned is told beside all that are zero.
    gates = {"pruned": round(masked_share(masks), 6), "sparsity": round(reached, 6)}
    variant = bench.line.judge_float(network, bench.photo_task(), subject, gates=gates)
    stored = copy.deepcopy(network)
    stored.load_state_dict(load_weights(bench.line.rundir.artifact(subject.folder)))
    require_sparsity(stored, masks, amount)
    return variant
