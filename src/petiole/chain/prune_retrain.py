"""The one loop of pruning, for masks and channels, photo networks and LeNet: prune further, refit what
is left, let leave what can leave, retrain with the unpruned network as teacher; and again, as the schedule says."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean
from typing import Protocol

import torch
from torch import nn
from torch.fx import GraphModule

from petiole.bench.footprint import macs, parameters
from petiole.chain.bench import PhotoBench
from petiole.chain.config import ChainConfig
from petiole.chain.transfer import retrain
from petiole.errors import GateError
from petiole.progress import Say
from petiole.pruning.pruner import Pruner
from petiole.pruning.refit import refit, trace
from petiole.pruning.schedule import epochs_of_steps, shares
from petiole.pruning.unstructured import Masks
from petiole.records import Train
from petiole.training.distillation import Distillation, Objective
from petiole.training.fit import Hooks, converged_epoch, has_bfloat16
from petiole.training.memory import release_freed_memory
from petiole.training.statistics import batch_norms, reestimate

LR = 5e-5
"""Learning rate of retraining pruned photo networks (docs/log.md)."""
NEGLIGIBLE = 1e-6
"""Mean error, relative to what a network answered before, of which rounding is a part: nothing is left to be mended."""


SEEDS_APART = 1000
"""Each step's training has a seed of its own, moved by so much for each step before it: other views of the pictures."""


class Retrain(Protocol):
    """Trains a network in place on the training pictures, in an order and with views of the ``seed``'s."""

    def __call__(
        self, network: nn.Module, *, epochs: int, seed: int, name: str, objective: Objective | None, hooks: Hooks
    ) -> Train: ...


@dataclass(frozen=True, kw_only=True)
class Course:
    """What all networks that are pruned from one ``unpruned`` network share.

    ``inputs`` are training pictures ``(N, C, H, W)``, for refitting and for BatchNorm's statistics, which are estimated
    anew before each retraining if ``reestimates`` and there are some. ``is_taught``: the unpruned network is the
    teacher, else the labels are (it could teach itself nothing).
    """

    unpruned: nn.Module
    inputs: torch.Tensor
    retrain: Retrain
    shares: tuple[float, ...]
    traced: GraphModule
    seed: int
    say: Say
    reestimates: bool = False
    is_taught: bool = True

    @property
    def has_new_statistics(self) -> bool:
        """Whether statistics are estimated anew: asked for, and of a network that has some."""
        return self.reestimates and bool(batch_norms(self.unpruned))

    def objective(self) -> Distillation | None:
        """What retraining aims at; None: cross-entropy."""
        return None if not self.is_taught else self.teacher()

    def teacher(self) -> Distillation:
        """The unpruned network's answers."""
        return Distillation(teacher=self.unpruned.to(memory_format=torch.channels_last))


def photo_course(bench: PhotoBench, unpruned: nn.Module, seed: int) -> Course:
    """How the networks that are pruned from a photo network are retrained: masks, step by step."""
    config = bench.config
    return Course(
        unpruned=unpruned, traced=trace(unpruned, bench.train_inputs()[:2]), inputs=bench.refit_inputs(seed),
        retrain=partial(retrain, bench=bench, lr=LR), seed=seed, say=bench.say,
        shares=shares(config.schedule, config.prune_steps or config.effort.prune_steps),
        reestimates=config.reestimate,
    )  # fmt: skip


def of_channels(course: Course, config: ChainConfig) -> Course:
    """The same for channels, which leave in steps of their own: where what is left is refitted, one step is best
    (docs/log.md)."""
    return replace(course, shares=shares(config.schedule, config.prune_steps or config.effort.channel_steps))


def gradually(course: Course, carried_out: Sequence[float]) -> str:
    """Words for the steps that were ``carried_out``, and for statistics that are estimated anew."""
    anew = ", BatchNorm's statistics estimated anew," if course.has_new_statistics else ""
    done = ", ".join(f"{share:.0%}" for share in carried_out)
    steps = f", in {len(carried_out)} steps ({done} of the pruning done)" if len(carried_out) > 1 else ""
    return f"{steps}{anew}"


@dataclass(frozen=True, kw_only=True)
class Retrained:
    """A training, the shares of the pruning that were done step by step before and in between, and how many
    convolutions were refitted in the last step."""

    train: Train
    steps: tuple[float, ...]
    refitted: int


def prune_and_retrain(pruner: Pruner, course: Course, *, epochs: int, name: str) -> Retrained:
    """Prune and retrain the pruner's network in place, for ``epochs`` in all, or as many as the course has steps if
    these are more. Steps of the course that round to what the step before them has left are none: they are left out,
    and the others are trained for as long as all would have been.

    Raises:
        GateError: nothing was pruned, or something that was pruned has come back.
    """
    refitting_s, refitted, trained, steps = 0.0, 0, [], pruner.steps(course.shares)
    epochs = max(epochs, len(course.shares))
    for step, (share, some) in enumerate(zip(steps, epochs_of_steps(epochs, len(steps)), strict=True), start=1):
        of = f"{name}, step {step} of {len(steps)}" if len(steps) > 1 else name
        began = time.perf_counter()
        refitted = refit_masked(course, pruner.network, pruner.prune(share), of)
        if step == len(steps):
            pruner.finish()
        if course.has_new_statistics:
            reestimate(pruner.network, course.inputs, seed=course.seed)
        refitting_s += time.perf_counter() - began
        pruner.network.to(memory_format=torch.channels_last)
        hooks = Hooks(after_step=pruner.hold, after_epoch=lambda _: pruner.require())
        trained.append(
            course.retrain(
                pruner.network, epochs=some, seed=course.seed + SEEDS_APART * (step - 1), name=of,
                objective=course.objective(), hooks=hooks,
            )
        )  # fmt: skip
    pruner.network.to(memory_format=torch.contiguous_format)
    done = ["refit" if refitted else "nothing to refit"]
    done += ["BatchNorm statistics estimated anew"] if course.has_new_statistics else []
    return Retrained(train=_together(trained, refitting_s, "; ".join(done)), steps=steps, refitted=refitted)


def refit_masked(course: Course, network: nn.Module, masks: Masks, name: str) -> int:
    """Refit, in place, what masks have left of the convolutions; returns of how many.

    Raises:
        GateError: it brought them no nearer to what they answered before.
    """
    if not masks:
        return 0  # the control
    release_freed_memory()
    fitted = refit(
        network, course.unpruned, masks, course.inputs, bfloat16=has_bfloat16(), seed=course.seed,
        traced=course.traced,
    )  # fmt: skip
    release_freed_memory()
    if not fitted:
        return 0  # linear layers alone use what was pruned: they are only retrained
    before, after = (fmean(getattr(one, key) for one in fitted) for key in ("error_before", "error_after"))
    if not (after < before or before <= NEGLIGIBLE):  # NaN is neither
        raise GateError(f"refitting {name} changed nothing: mean error {before:.3g} before, {after:.3g} after")
    what = "1 convolution" if len(fitted) == 1 else f"{len(fitted)} convolutions"
    course.say(f"{name}: refitted {what}, mean error {before:.2g} -> {after:.2g}")
    return len(fitted)


def require_smaller(
    name: str, network: nn.Module, unpruned: nn.Module, shape: tuple[int, int, int], **most: float
) -> dict[str, float]:
    """The gate of structured pruning: ``macs_left`` and ``parameters_left``, shares of the unpruned network's.

    Raises:
        GateError: one of them has not fallen, or not to the share that ``most`` gives for it.
    """
    left = {
        "macs_left": round(macs(network, shape) / macs(unpruned, shape), 6),
        "parameters_left": round(parameters(network) / parameters(unpruned), 6),
    }
    for what, share in left.items():
        if share >= 1 or share > most.get(what, 1.0):
            raise GateError(f"{name} has {share:.1%} of its parent's {what.split('_')[0]} left, more than it should")
    return left


def _together(trained: Sequence[Train], refitting_s: float, refitting: str) -> Train:
    """One record of the training after all steps: of all processes that have trained."""
    epochs = [epoch for train in trained for epoch in train.history]
    history = [epoch.model_copy(update={"epoch": at}) for at, epoch in enumerate(epochs, start=1)]
    images = sum(train.images_per_s * train.seconds for train in trained)
    seconds = sum(train.seconds for train in trained)
    recipe = f"{refitting}; {trained[-1].recipe}"
    if len(trained) > 1:
        lengths = " and ".join(str(train.epochs) for train in trained)
        last = f"then a training, the last one: {trained[-1].recipe}"
        recipe = f"{len(trained)} steps of {lengths} epochs, in each: {refitting}, {last}"
    return Train(
        epochs=len(history), converged_epoch=converged_epoch([epoch.loss for epoch in history]),
        seconds=refitting_s + seconds, images_per_s=images / seconds, history=history, recipe=recipe,
    )  # fmt: skip
