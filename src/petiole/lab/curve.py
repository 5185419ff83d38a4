"""Accuracy on the test split against how much is pruned; drawn, never used to choose anything."""

import copy

import torch
from torch import nn

from petiole.lab.bench import Bench
from petiole.pruning.unstructured import METHODS, prune_weights, require_sparsity
from petiole.records import CurvePoint
from petiole.training.evaluate import predict


def before_retraining(bench: Bench, optimized: nn.Module, seed: int) -> list[CurvePoint]:
    """Single weights of the whole network, at random and by magnitude, at all amounts of the curve."""
    amounts = bench.config.effort.curve_amounts
    points = []
    for method in METHODS:
        for amount in amounts:
            network = copy.deepcopy(optimized)
            masks = prune_weights(network, amount=amount, method=method, scope="global", seed=seed)
            points.append(
                point(bench, network, method=method, seed=seed, amount=amount,
                            sparsity=require_sparsity(network, masks, amount))
            )  # fmt: skip
        bench.say(f"curve of {method} pruning: {len(amounts)} amounts judged")
    return points


def point(
    bench: Bench, network: nn.Module, *, method: str, seed: int, amount: float, sparsity: float,
    retrained: bool = False,
) -> CurvePoint:  # fmt: skip
    """One point of the curve: the network's accuracy in torch on the test split."""
    task = bench.photo_task()
    network.to(memory_format=torch.channels_last)
    accuracy = predict(network, task.inputs, task.labels).accuracy(task.classes)
    return CurvePoint(
        method=method, scope="global", seed=seed, amount=amount, sparsity=sparsity, retrained=retrained,
        correct=accuracy.correct, total=accuracy.total,
    )  # fmt: skip
