"""Pruning that pays: whole channels leave, of the first convolution and of the whole network, then retraining.

Beside section 3.3 of the handout, whose masks only write zeros: here the network itself becomes smaller.
"""

import copy
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.fx import GraphModule

from petiole.bench.footprint import layer_macs, macs, parameters
from petiole.errors import GateError
from petiole.lab import qat, quantization
from petiole.lab.bench import Bench, ChapterResult
from petiole.lab.pruning import BASELINE, refit_masked
from petiole.lab.transfer import retrain
from petiole.models.backbones import output_layer
from petiole.pruning.channels import keep_counts, least_important, within_macs
from petiole.pruning.contribution import contributions
from petiole.pruning.refit import trace
from petiole.pruning.structured import ChannelGroup, Dependencies, Plan
from petiole.pruning.unstructured import prunable
from petiole.quantization import pt2e
from petiole.quantization.mixed import quantize_within
from petiole.records import Train, Variant
from petiole.rundir import digest
from petiole.training.distillation import Distillation
from petiole.variants import Subject

FIRST, GLOBAL = "CNNPrunedF-structured", "CNNPrunedG-structured"
RETRAINED = {FIRST: "CNNPrunedFO-structured", GLOBAL: "CNNPrunedGO-structured"}
INT8 = "CNNPrunedGO-structured-static-int8"

CUT = {
    FIRST: "{removed} of the {channels} channels of the first convolution removed ({amount:.0%}, rounded to a multiple "
    "of 8): those that contribute least to the layers behind (their variance times the squared weights there); nothing "
    "else changed.",
    GLOBAL: "Channels removed until at most {macs:.0%} of the multiply-accumulates are left: those that contribute "
    "least to the layers behind, over all layers together but the first convolution, counts rounded to multiples of "
    "8; nothing else changed.",
}
AGAIN = (
    "{name} with the convolutions behind the removed channels refitted by least squares, so that they answer on the "
    "training photos as before; then the whole network learned to answer as CNNOptimized does (knowledge "
    "distillation); each weight is then set half-way between its refitted and its retrained value."
)


@dataclass(frozen=True, kw_only=True)
class _Pruned:
    """Two networks of one smaller architecture: as it was cut, and with what is left refitted."""

    name: str
    plan: Plan
    raw: nn.Module
    refitted: nn.Module
    seconds: float


def run(bench: Bench, seed: int, result: ChapterResult) -> None:
    """Cut, judge, refit and retrain, judge; then static int8 of the smaller network."""
    optimized = bench.photo_network(BASELINE, seed)
    traced = trace(optimized, bench.train_inputs()[:2])
    photos = len(bench.photo_data().train.labels)
    for name in (FIRST, GLOBAL) if bench.config.effort.structured_first else (GLOBAL,):
        with result.attempt(name, "structured", seed, bench.say):
            pruned = _prune(bench, optimized, traced, name, seed)
            result.variants.append(_judge(bench, optimized, pruned, pruned.raw, name, seed))
            retrained = RETRAINED[name]
            with result.attempt(retrained, "structured", seed, bench.say):
                train = _retrain(bench, optimized, pruned, seed)
                result.variants.append(_judge(bench, optimized, pruned, pruned.refitted, retrained, seed, train))
                result.images += train.epochs * photos
                if name == GLOBAL:
                    with result.attempt(INT8, "structured", seed, bench.say):
                        result.variants.append(_int8(bench, pruned, seed))


def inner(groups: tuple[ChannelGroup, ...], network: nn.Module) -> tuple[ChannelGroup, ...]:
    """The groups that one layer makes and one layer uses: those that residual additions share cost far more accuracy
    for what they save (docs/log.md). A depthwise convolution in between makes nothing of its own."""

    def own(name: str) -> bool:
        layer = network.get_submodule(name)
        return not (isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels > 1)

    return tuple(group for group in groups if len(group.users) == 1 and sum(map(own, group.makers)) == 1)


def _prune(bench: Bench, optimized: nn.Module, traced: GraphModule, name: str, seed: int) -> _Pruned:
    began = time.perf_counter()
    raw, refitted = copy.deepcopy(optimized), copy.deepcopy(optimized)
    example, (output, _) = bench.train_inputs()[:1].contiguous(), output_layer(optimized)
    dependencies = Dependencies(refitted, example, protected=[output])
    removed = _choose(bench, refitted, dependencies.groups, name)
    masks = dependencies.user_masks(removed)
    with torch.no_grad():
        for key, mask in masks.items():
            refitted.get_parameter(key).masked_fill_(~mask, 0.0)
    refit_masked(bench, refitted, optimized, traced, masks, seed, RETRAINED[name])
    plan = dependencies.remove(removed)
    Dependencies(raw, example).remove(removed)
    channels = sum(len(each) for _, each in plan)
    bench.say(f"{name}: {channels} channels of {len(plan)} groups removed")
    return _Pruned(name=name, plan=plan, raw=raw, refitted=refitted, seconds=time.perf_counter() - began)


def _choose(bench: Bench, network: nn.Module, groups: tuple[ChannelGroup, ...], name: str) -> Mapping[str, list[int]]:
    """The channels that leave."""
    inputs, shape = bench.train_inputs(), bench.backbone.preprocessing.input_shape
    (first, _), *_ = prunable(network, "first")
    if name == FIRST:
        groups = tuple(group for group in groups if first in group.makers)
        scores = contributions(network, groups, inputs)
        return least_important(groups, scores, keep_counts(groups, scores, bench.config.amount))
    groups = inner(tuple(group for group in groups if first not in group.makers), network)
    if not groups:
        raise GateError(f"{bench.backbone.name} has no channels that could leave without its first convolution's")
    scores = contributions(network, groups, inputs)
    left = layer_macs(network, shape)
    return least_important(groups, scores, within_macs(groups, scores, left, bench.config.macs, spread="global"))


def _retrain(bench: Bench, optimized: nn.Module, pruned: _Pruned, seed: int) -> Train:
    for each in (pruned.refitted, optimized):
        each.to(memory_format=torch.channels_last)
    train = retrain(
        pruned.refitted, bench, seed, name=RETRAINED[pruned.name], epochs=bench.config.effort.structured_epochs,
        lr=5e-5, objective=Distillation(teacher=optimized),
    )  # fmt: skip
    return train.model_copy(update={"seconds": pruned.seconds + train.seconds, "recipe": f"refit; {train.recipe}"})


def _judge(bench: Bench, optimized: nn.Module, pruned: _Pruned, network: nn.Module, name: str, seed: int,
           train: Train | None = None) -> Variant:  # fmt: skip
    network.to(memory_format=torch.contiguous_format)
    shape = bench.backbone.preprocessing.input_shape
    left = {
        "macs_left": round(macs(network, shape) / macs(optimized, shape), 6),
        "parameters_left": round(parameters(network) / parameters(optimized), 6),
    }
    if not all(share < 1 for share in left.values()):
        raise GateError(f"{name} is no smaller than {BASELINE}: {left}")
    parent = BASELINE if train is None else pruned.name
    words = CUT[pruned.name] if train is None else AGAIN
    (_, first), *_ = prunable(optimized, "first")
    subject = Subject(
        name=name, seed=seed, parent=parent, baseline=None if parent == BASELINE else BASELINE,
        backbone=bench.backbone.name, weights=bench.weights_word, train=train,
        how=words.format(
            name=pruned.name, amount=bench.config.amount, macs=bench.config.macs,
            removed=sum(len(channels) for _, channels in pruned.plan), channels=first.out_channels,
        ),
        architecture=f"{bench.backbone.name} {digest(pruned.plan)}", plan=_plan(pruned),
    )  # fmt: skip
    return bench.line.judge_float(network, bench.photo_task(), subject, gates=left, profiled=True)


def _plan(pruned: _Pruned) -> dict[str, Any]:
    return {"pruning": {"method": "contribution", "channels": pruned.plan}}


def _int8(bench: Bench, pruned: _Pruned, seed: int) -> Variant:
    graph = pt2e.export_graph(pruned.refitted, bench.backbone.preprocessing.input_shape)
    calibration, held_out = quantization.calibration(bench, seed)
    mixed = quantize_within(graph, calibration, held_out, max_drop=bench.config.max_drop / 100, say=bench.say)
    subject = Subject(
        name=INT8, seed=seed, parent=RETRAINED[GLOBAL], baseline=BASELINE, backbone=bench.backbone.name, engine="pt2e",
        how=f"Post-training static quantization of {RETRAINED[GLOBAL]}, as of CNNOptimized.{mixed.describe()}",
        weights=bench.weights_word, plan={**_plan(pruned), **qat.plan(INT8, "pt2e", len(calibration), mixed)},
    )  # fmt: skip
    floating = len(mixed.floating)
    return bench.line.judge_pt2e(mixed.graph, pruned.refitted, bench.photo_task(), subject, float_layers=floating)
