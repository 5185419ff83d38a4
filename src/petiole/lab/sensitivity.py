"""How much the retrained photo network depends on each dependency group of channels, and on each layer's weights."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn import functional as F

from petiole.chain.calibration import photos_apart
from petiole.chain.channel_choice import MULTIPLE
from petiole.lab.bench import Bench
from petiole.progress import bar
from petiole.pruning import sensitivity
from petiole.pruning.pruner import ChannelPruner
from petiole.pruning.sensitivity import Damage
from petiole.pruning.unstructured import prunable
from petiole.records import Sensitivity
from petiole.training.evaluate import predict


class _Judge:
    """Judges on training photos by which no channel was chosen (the network itself has learned them: what counts is the
    order); the first verdict is that on the network as it was."""

    def __init__(self, bench: Bench, network: nn.Module, seed: int) -> None:
        _, (self.inputs, self.labels) = photos_apart(bench, seed)
        self.correct, self.loss = self(network)

    def __call__(self, network: nn.Module) -> tuple[int, float]:
        network.to(memory_format=torch.channels_last)
        found = predict(network, self.inputs, self.labels)
        return int(found.right.sum()), float(F.cross_entropy(found.logits, self.labels))


def choosing(bench: Bench, seed: int, damage: object | None) -> tuple[torch.Tensor, torch.Tensor] | None:
    """The photos that channels are chosen by where ``damage`` says how they are spread: others than those that it was
    measured on. None: all."""
    return None if damage is None else photos_apart(bench, seed)[0]


def of_channels(bench: Bench, cutting: ChannelPruner, seed: int) -> list[Sensitivity]:
    """Each group that may lose channels, at a few amounts, in the multiples in which channels leave."""
    judge = _Judge(bench, cutting.network, seed)
    scores, amounts = cutting.scores(), bench.config.effort.sensitivity_amounts
    order = [name for name, _ in cutting.network.named_modules()]
    groups = sorted(cutting.groups, key=lambda group: order.index(group.name))  # as a photo passes them
    found = sensitivity.of_channels(cutting.dependencies, groups, scores, amounts, judge, multiple=MULTIPLE)
    return _rows(bench, found, judge, seed, "dependency groups", len(cutting.groups) * len(amounts))


def of_weights(bench: Bench, network: nn.Module, seed: int) -> list[Sensitivity]:
    """Each convolution and linear layer, by magnitude."""
    judge, amounts = _Judge(bench, network, seed), bench.config.effort.sensitivity_amounts
    layers = len(prunable(network, "global"))
    found = sensitivity.of_weights(network, amounts, judge)
    return _rows(bench, found, judge, seed, "layers", layers * len(amounts))


def _rows(bench: Bench, found: Iterable[Damage], judge: _Judge, seed: int, what: str, most: int) -> list[Sensitivity]:
    rows = []
    with bar(f"sensitivity of {what}", most, unit="step", say=bench.say, terminal=bench.progress) as tell:
        for one in found:
            rows.append(
                Sensitivity(
                    name=one.name, kind=one.kind, seed=seed, asked=one.asked, removed=one.removed, of=one.of,
                    correct=one.correct, total=len(judge.labels), loss=one.loss, correct_before=judge.correct,
                    loss_before=judge.loss,
                )
            )  # fmt: skip
            tell(len(rows), one.name)
    return rows


def damage(rows: Iterable[Sensitivity]) -> dict[str, list[tuple[float, float]]]:
    """By group: the share that was removed, and by how much the loss rose; what could not be pruned is left out."""
    found: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row.removed:
            found.setdefault(row.name, []).append((row.removed / row.of, row.loss - row.loss_before))
    return found
