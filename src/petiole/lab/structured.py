"""Pruning that pays: whole channels leave, of the first convolution and of the whole network, then retraining.

Beside section 3.3 of the handout, whose masks only write zeros: here the network itself becomes smaller.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import nn
from torch.fx import GraphModule

from petiole.chain import qat
from petiole.chain.calibration import calibration, photos_apart
from petiole.chain.channel_choice import BY, Damages
from petiole.chain.channel_pruner import first_pruner, inner_pruner
from petiole.chain.prune_retrain import (
    Course,
    gradually,
    of_channels,
    photo_course,
    prune_and_retrain,
    require_smaller,
)
from petiole.lab import sensitivity
from petiole.lab.bench import BASELINE, Bench, ChapterResult
from petiole.lab.config import LabConfig
from petiole.pruning.pruner import ChannelPruner
from petiole.pruning.structured import ChannelGroup, Plan
from petiole.pruning.unstructured import prunable
from petiole.quantization import pt2e
from petiole.quantization.mixed import Mixed, quantize_within
from petiole.records import Train, Variant
from petiole.rundir import digest
from petiole.variants import Subject

FIRST, GLOBAL = "CNNPrunedF-structured", "CNNPrunedG-structured"
RETRAINED = {FIRST: "CNNPrunedFO-structured", GLOBAL: "CNNPrunedGO-structured"}
STATIC, QAT = (f"{RETRAINED[GLOBAL]}-{how}-int8" for how in ("static", "qat"))

MUCH = 0.05
"""Of the multiply-accumulates: so much less than asked is told."""
CUT = {
    FIRST: "{removed} of the first convolution{shared} removed: those {by}; nothing else changed.",
    GLOBAL: "{asked}: those {by}, "
    "{spread} ({whole} stay whole), "
    "counts rounded to multiples of 16{tied}; nothing else changed.",
}
TIED = {
    False: " (around grouped convolutions of the number of their groups)",
    True: " (in front of group normalization of what it normalizes together)",
}
SPREAD = {
    "global": "over all layers together",
    "uniform": "the same share of each layer",
    "sensitivity": "more where it does less damage, on training photos that were not used to choose channels",
}
AGAIN = (
    "{name}{how}; then the whole network learned to answer as CNNOptimized does (knowledge "
    "distillation); each weight is then set half-way between its value before that and its retrained value."
)
REFITTED = {
    True: " with the convolutions behind the removed channels refitted by least squares, so that they answer on the "
    "training photos as before",
    False: " with nothing refitted (no convolution takes in what was removed)",
}
HOW_QAT = (
    "Quantization-aware training of {name} with CNNOptimized as its teacher: BatchNorm folded, fake-quantize in the "
    "forward pass (gradients pass straight through){scales}, then converted to int8."
)


def share_removed(removed: int, channels: int, amount: float) -> str:
    """How many channels left, and how many should have.

    >>> share_removed(8, 32, 0.3)
    '8 of the 32 channels (25%; 30% was asked for, and counts are rounded to multiples of 8)'
    """
    asked = f"{amount:.0%} was asked for, and counts are rounded to multiples of 8"
    return f"{removed} of the {channels} channels ({removed / channels:.0%}; {asked})"


def asked_for(config: LabConfig, left: float, gone: float) -> str:
    """What was removed of the inside of a network: the share of the channels that is ``gone``, or channels until so
    much is ``left``; much less is told.

    >>> asked_for(LabConfig(channels=0.4), 0.51, 0.38)
    "38% of the inner layers' channels removed (40% was asked for; 51% of the multiply-accumulates are left)"
    >>> asked_for(LabConfig(macs=0.5), 0.48, 0.5)
    'Channels removed until at most 50% of the multiply-accumulates are left'
    >>> asked_for(LabConfig(macs=0.5), 0.17, 0.8).partition(" (")[2]
    'really 17%: channels leave in steps, and none came nearer)'
    """
    if config.channels is not None:
        asked = f"{config.channels:.0%} was asked for; {left:.0%} of the multiply-accumulates are left"
        return f"{gone:.0%} of the inner layers' channels removed ({asked})"
    much = "" if left >= config.macs - MUCH else f" (really {left:.0%}: channels leave in steps, and none came nearer)"
    return f"Channels removed until at most {config.macs:.0%} of the multiply-accumulates are left{much}"


def sharing(network: nn.Module, makers: Sequence[str]) -> str:
    """Words for the layers that put out the first convolution's channels too."""
    (first, _), *_ = prunable(network, "first")
    others = [maker for maker in makers if maker != first]
    return f" (shared by {', '.join(others)})" if others else ""


def staying(groups: Sequence[ChannelGroup], kept: Sequence[str]) -> str:
    """Words for what stays whole where channels of ``groups`` leave, and those of ``kept`` cannot.

    >>> group = ChannelGroup(name="a", channels=8, makers=("a",), users=("b",))
    >>> staying([group], [])
    'the first convolution and what residual additions share'
    >>> staying([group], ["c", "d"]).partition(" share")[2]
    ' and 2 groups that cannot be followed (such as that of c)'
    """
    whole = ["the first convolution"]
    if not any(group.is_added for group in groups):
        whole.append("what residual additions share")
    if kept:
        number = f"{len(kept)} groups that" if len(kept) > 1 else "a group that"
        whole.append(f"{number} cannot be followed (such as that of {kept[0]})")
    return " and ".join(whole)


def tied(groups: Sequence[ChannelGroup]) -> str:
    """Words for counts that are no multiples, if there are such."""
    are_blocks = sorted({group.is_block for group in groups if group.tied > 1})
    return "".join(TIED[each] for each in are_blocks)


@dataclass(kw_only=True)
class _Cut:
    """A network without some of its channels, and how it came about."""

    name: str
    network: nn.Module
    plan: Plan = field(default_factory=list)
    shared: str = ""
    train: Train | None = None
    how: str = ""
    channels: int = 0
    whole: str = ""
    tied: str = ""


def run(bench: Bench, seed: int, result: ChapterResult) -> None:
    """Cut, judge; refit and retrain, judge; then int8 of the smaller network."""
    course, effort = (
        of_channels(photo_course(bench, bench.photo_network(BASELINE, seed), seed), bench.config),
        bench.config.effort,
    )
    for name in (FIRST, GLOBAL) if effort.structured_first else (GLOBAL,):
        with result.attempt(name, "structured", seed, bench.say):
            damage = measured_damage(bench, course, result) if name == GLOBAL else None
            result.variants.append(_judge(bench, course, _cut(bench, course, name, damage)))
            retrained = RETRAINED[name]
            with result.attempt(retrained, "structured", seed, bench.say):
                cut = _retrained(bench, course, name, damage)
                result.variants.append(_judge(bench, course, cut))
                result.images += cut.train.epochs * len(bench.photo_data().train.labels) if cut.train else 0
                if name == GLOBAL:
                    _quantized(bench, course, cut, result)


def measured_damage(bench: Bench, course: Course, result: ChapterResult) -> Damages | None:
    """What each group's channels mean to the network, measured where they are spread by it."""
    if bench.config.spread != "sensitivity":
        return None
    shown = photos_apart(bench, course.seed)[0]
    whole = inner_pruner(bench, course.unpruned, course.seed, left=bench.config.macs, shown=shown)
    rows = sensitivity.of_channels(bench, whole, course.seed)
    if not bench.config.study:  # which has recorded the same ones
        result.sensitivities += rows
    return sensitivity.damage(rows)


def _pruner(bench: Bench, course: Course, name: str, damage: Damages | None) -> ChannelPruner:
    if name == FIRST:
        return first_pruner(bench, course.unpruned, course.seed, amount=bench.config.amount)
    shown = sensitivity.choosing(bench, course.seed, damage)
    return inner_pruner(
        bench, course.unpruned, course.seed, left=bench.config.macs, channels=bench.config.channels, damage=damage,
        shown=shown,
    )  # fmt: skip


def _cut(bench: Bench, course: Course, name: str, damage: Damages | None) -> _Cut:
    """All at once, and nothing else."""
    cutting = _pruner(bench, course, name, damage)
    cutting.prune(1.0)
    cutting.finish()
    removed = sum(len(each) for _, each in cutting.plan)
    told = share_removed(removed, cutting.groups[0].channels, bench.config.amount) if name == FIRST else ""
    bench.say(f"{name}: {told or f'{removed} channels of {len(cutting.plan)} groups'} removed")
    shared = sharing(course.unpruned, cutting.groups[0].makers) if name == FIRST else ""
    channels = sum(group.channels for group in cutting.groups)
    return _Cut(
        name=name, network=cutting.network, plan=cutting.plan, shared=shared, channels=channels,
        whole=staying(cutting.groups, cutting.kept), tied=tied(cutting.groups),
    )  # fmt: skip


def _retrained(bench: Bench, course: Course, name: str, damage: Damages | None) -> _Cut:
    cutting, epochs = _pruner(bench, course, name, damage), bench.config.effort.structured_epochs
    done = prune_and_retrain(cutting, course, epochs=epochs, name=RETRAINED[name])
    told = gradually(course, done.steps) + REFITTED[done.refitted > 0]
    return _Cut(name=RETRAINED[name], network=cutting.network, plan=cutting.plan, train=done.train, how=told)


def _judge(bench: Bench, course: Course, cut: _Cut) -> Variant:
    network, config, optimized = cut.network, bench.config, course.unpruned
    network.to(memory_format=torch.contiguous_format)
    shape = bench.backbone.preprocessing.input_shape
    raw, whole = cut.name in CUT, cut.name in (GLOBAL, RETRAINED[GLOBAL])
    most = {"macs_left": config.macs} if whole and config.channels is None else {}
    left = require_smaller(cut.name, network, optimized, shape, **most)
    parent = BASELINE if raw else next(name for name, retrained in RETRAINED.items() if retrained == cut.name)
    (_, first), *_ = prunable(optimized, "first")
    gone = sum(len(channels) for _, channels in cut.plan)
    removed = share_removed(gone, cast(nn.Conv2d, first).out_channels, config.amount)
    how = (CUT[cut.name] if raw else AGAIN).format(
        name=parent, how=cut.how, by=BY[config.importance],
        spread=SPREAD[config.spread], removed=removed, shared=cut.shared, tied=cut.tied, whole=cut.whole,
        asked=asked_for(config, left["macs_left"], gone / max(cut.channels, 1)),
    )  # fmt: skip
    subject = Subject(
        name=cut.name, seed=course.seed, parent=parent, baseline=None if raw else BASELINE,
        backbone=bench.backbone.name, weights=bench.weights_word, train=cut.train, how=how,
        architecture=f"{bench.backbone.name} {digest(cut.plan)}", plan=_plan(bench, cut),
    )  # fmt: skip
    return bench.line.judge_float(network, bench.photo_task(), subject, gates=left)


def _plan(bench: Bench, cut: _Cut) -> dict[str, Any]:
    return {"pruning": {"method": bench.config.importance, "channels": cut.plan}}


def _quantized(bench: Bench, course: Course, cut: _Cut, result: ChapterResult) -> None:
    """Static int8 of the smaller network, and quantization-aware training with the same teacher."""
    seed, graph = course.seed, pt2e.export_graph(cut.network, bench.backbone.preprocessing.input_shape)
    shown, held_out = calibration(bench, seed)
    with result.attempt(STATIC, "structured", seed, bench.say):
        mixed = quantize_within(graph, shown, held_out, max_drop=bench.config.max_drop / 100, say=bench.say)
        how = f"Post-training static quantization of {cut.name}, as of CNNOptimized.{mixed.describe()}"
        subject = _int8(bench, cut, STATIC, seed, how, len(shown), mixed=mixed)
        result.variants.append(_judge_int8(bench, cut, mixed.graph, subject, floating=mixed.floating))
        result.add_layer_errors(subject, mixed)
    if not bench.config.effort.structured_qat:
        return
    with result.attempt(QAT, "structured", seed, bench.say):
        prepared, few = pt2e.prepare_qat(graph), shown[: qat.CALIBRATION_IMAGES]
        pt2e.calibrate(prepared, few)
        train = qat.train_on_photos(
            bench, prepared, seed, freeze=pt2e.freeze_observers, name=QAT, objective=course.teacher()
        )
        how = HOW_QAT.format(name=cut.name, scales=qat.scales(train))
        subject = _int8(bench, cut, QAT, seed, how, len(few), train=train)
        int8 = pt2e.convert(prepared)
        result.variants.append(_judge_int8(bench, cut, int8, subject, trained=prepared.state_dict()))
        result.images += train.epochs * len(bench.photo_data().train.labels)


def _int8(
    bench: Bench, cut: _Cut, name: str, seed: int, how: str, shown: int, *, mixed: Mixed | None = None,
    train: Train | None = None,
) -> Subject:  # fmt: skip
    return Subject(
        name=name, seed=seed, parent=cut.name, baseline=BASELINE, backbone=bench.backbone.name, engine="pt2e", how=how,
        weights=bench.weights_word, train=train, plan={**_plan(bench, cut), **qat.plan(name, "pt2e", shown, mixed)},
    )  # fmt: skip


def _judge_int8(bench: Bench, cut: _Cut, int8: GraphModule, subject: Subject, **more: Any) -> Variant:
    return bench.line.judge_pt2e(int8, cut.network, bench.photo_task(), subject, **more)
