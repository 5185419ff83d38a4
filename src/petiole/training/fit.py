"""The one training loop: every network of the lab, pruned or quantization-aware, goes through :func:`fit`.

What differs comes in as arguments: the batches, the configuration, and two hooks (after each step, after each
epoch) with which pruning holds its masks and QAT freezes its observers.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

import torch
from torch import nn
from torch.nn import functional as F

from petiole.processes import processes
from petiole.records import Epoch, Train
from petiole.training.checkpoint import Checkpoint, Moment
from petiole.training.crew import Crew, Part, crew
from petiole.training.depthwise import DepthwiseGradients
from petiole.training.distillation import Distillation, Objective
from petiole.training.memory import keep_freed_memory
from petiole.training.soundness import TrainingError as TrainingError
from petiole.training.soundness import kept, lost, require_numbers


class Batches(Protocol):
    """Training pictures: ``len`` is their number, ``epoch`` yields ``(inputs (N, C, H, W), labels (N,))``."""

    @property
    def batch_images(self) -> int: ...

    def __len__(self) -> int: ...

    def epoch(self, generator: torch.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]: ...


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """How to train. The learning rate rises linearly over ``warmup`` (a share of all steps) and falls as a cosine.

    ``bfloat16``: autocast, for processors that have it (:func:`has_bfloat16`). ``patience``: training ends early when
    it has converged (:func:`has_converged`); 0 trains all ``epochs``. ``chunk_images``: each batch goes through the
    network in chunks of that many, whose gradients are summed: the same step in a fraction of the memory, as long as
    no layer looks at the whole batch (BatchNorm in train mode does); 0 takes the batch whole.
    """

    epochs: int
    lr: float
    optimizer: Literal["sgd", "adamw"] = "adamw"
    weight_decay: float = 0.01
    label_smoothing: float = 0.0
    warmup: float = 0.1
    bfloat16: bool = False
    patience: int = 0
    chunk_images: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.lr <= 0:
            raise ValueError("epochs and lr must be positive")

    def describe(self) -> str:
        """The recipe in words, for the report."""
        words = [f"{self.optimizer.upper() if self.optimizer == 'sgd' else 'AdamW'}, learning rate {self.lr:g}"]
        words.append(
            f"{self.warmup:.0%} warm-up, cosine decay over {self.epochs} epoch{'s' if self.epochs > 1 else ''}"
        )
        words.append(f"weight decay {self.weight_decay:g}")
        if self.label_smoothing:
            words.append(f"label smoothing {self.label_smoothing:g}")
        words.append("bfloat16 autocast" if self.bfloat16 else "float32")
        return ", ".join(words)


def _nothing() -> None:
    return None


def _no_epoch(epoch: int) -> float | None:
    return None


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """``after_step`` runs after each optimizer step; ``after_epoch(epoch)`` may return the sparsity to record.
    ``before_epoch`` sets modes and no numbers: a training that goes on calls it for the epochs before as well."""

    before_epoch: Callable[[int], None] = field(default=lambda epoch: None)
    after_step: Callable[[], None] = _nothing
    after_epoch: Callable[[int], float | None] = _no_epoch


def has_bfloat16() -> bool:
    """Whether this processor computes bfloat16 natively (otherwise autocast only costs time)."""
    return bool(torch.cpu._is_avx512_bf16_supported()) or bool(torch.cpu._is_amx_tile_supported())


def learning_rate(config: FitConfig, step: int, steps: int) -> float:
    """Linear warm-up, then cosine decay to zero (Loshchilov and Hutter 2017) at ``step`` of ``steps``."""
    warm = max(1, round(config.warmup * steps))
    if step < warm:
        return config.lr * (step + 1) / warm
    return config.lr * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def converged_epoch(losses: list[float], tolerance: float = 0.05) -> int:
    """The epoch (from 1) at which training had converged: the first from which the training loss stays within
    ``tolerance`` of its whole fall above its end value.

    >>> converged_epoch([1.0, 0.4, 0.22, 0.2, 0.21, 0.2])
    3
    """
    end = min(losses)
    limit = end + tolerance * (max(losses) - end)
    late = [epoch for epoch, loss in enumerate(losses, start=1) if loss > limit]
    return min(late[-1] + 1 if late else 1, len(losses))


def has_converged(losses: list[float], patience: int, tolerance: float = 0.01) -> bool:
    """Whether the training loss has stopped falling: its mean over the last ``patience`` epochs is less than
    ``tolerance`` (relative) below its mean over as many epochs before. Never true for ``patience`` 0.

    >>> has_converged([1.0, 0.5, 0.2, 0.2, 0.2, 0.199], 2), has_converged([1.0, 0.5, 0.4, 0.3], 2)
    (True, False)
    """
    if not patience or len(losses) < 2 * patience:
        return False
    before, last = sum(losses[-2 * patience : -patience]), sum(losses[-patience:])
    return last > (1 - tolerance) * before


def fit(
    network: nn.Module,
    batches: Batches,
    config: FitConfig,
    *,
    objective: Objective | None = None,
    hooks: Hooks | None = None,
    train_mode: Callable[[], None] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    checkpoint: Checkpoint | None = None,
) -> Train:
    """Train ``network`` in place on all parameters that require grad; it is left in eval mode.

    ``objective`` is what is minimized: cross-entropy with ``config.label_smoothing``, if not given. With a
    ``checkpoint`` a training that was killed goes on where it was, and ends with the same weights.

    Raises:
        TrainingError: the loss or a weight became NaN or infinite; the message says at which step. The network is left
            as it was after the epoch before.
    """
    keep_freed_memory()
    hooks = hooks or Hooks()
    generator = torch.Generator().manual_seed(config.seed)
    steps = config.epochs * math.ceil(len(batches) / batches.batch_images)
    run = _Run(
        network=network, config=config, optimizer=_optimizer(network, config), steps=steps, crew=crew(),
        backward=_Backward(config=config, objective=objective), generator=generator,
    )  # fmt: skip
    to_train = train_mode or network.train
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        if checkpoint:
            teacher = objective.teacher if isinstance(objective, Distillation) else None
            checkpoint.begin(run, config=config, teacher=teacher)
        for done in run.history:
            hooks.before_epoch(done.epoch)
        to_train()  # also where all epochs are done: an exported graph is rewritten by it
        began = time.perf_counter() - run.seconds
        while not run.has_ended:
            epoch = len(run.history) + 1
            hooks.before_epoch(epoch)
            to_train()
            with kept(network):
                loss, accuracy = run.epoch(batches.epoch(generator), hooks, epoch)
            sparsity = hooks.after_epoch(epoch)
            run.history.append(Epoch(epoch=epoch, loss=loss, train_accuracy=accuracy, sparsity=sparsity))
            run.seconds = time.perf_counter() - began
            if on_epoch:
                on_epoch(run.history[-1])
            if checkpoint:
                checkpoint.keep(run, ended=run.has_ended)
    network.eval()
    return _record(run, len(batches), objective)


def _record(run: "_Run", images: int, objective: Objective | None) -> Train:
    return Train(
        epochs=len(run.history),
        converged_epoch=converged_epoch([one.loss for one in run.history]),
        seconds=run.seconds,
        images_per_s=images * len(run.history) / run.seconds,
        recipe=run.config.describe() + (f", {objective.describe()}" if isinstance(objective, Distillation) else ""),
        history=run.history,
    )


def _optimizer(network: nn.Module, config: FitConfig) -> torch.optim.Optimizer:
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if config.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=config.lr, momentum=0.9, nesterov=True, weight_decay=config.weight_decay)
    return torch.optim.AdamW(parameters, lr=config.lr, weight_decay=config.weight_decay)


@dataclass(frozen=True, kw_only=True)
class _Backward:
    """How gradients are computed: what is minimized, and in which precision."""

    config: FitConfig
    objective: Objective | None

    def __call__(
        self, network: nn.Module, inputs: torch.Tensor, labels: torch.Tensor, share: float
    ) -> tuple[float, torch.Tensor]:
        """Add the gradients of ``share`` times the mean loss of these pictures; returns that loss and the logits."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.config.bfloat16), DepthwiseGradients():
            logits = network(inputs).float()
            if self.objective:
                loss = self.objective(inputs, logits, labels)
            else:
                loss = F.cross_entropy(logits, labels, label_smoothing=self.config.label_smoothing)
        value = float(loss.detach())
        if math.isfinite(value):
            (share * loss).backward()
        return value, logits.detach()


@dataclass(kw_only=True)
class _Run(Moment):
    """One training under way: ``step`` of ``steps`` optimizer steps are done. ``crew``: processes that help."""

    config: FitConfig
    steps: int
    backward: _Backward
    crew: Crew | None = None

    @property
    def has_ended(self) -> bool:
        """Whether all epochs are done, or no more are needed."""
        losses = [one.loss for one in self.history]
        return len(losses) >= self.config.epochs or has_converged(losses, self.config.patience)

    def epoch(
        self, batches: Iterator[tuple[torch.Tensor, torch.Tensor]], hooks: Hooks, epoch: int
    ) -> tuple[float, float]:
        """Train on all batches; returns the mean loss and the share of training pictures called right."""
        together = self.crew is not None and self.crew.teach(self.network, self.backward)
        try:
            return self._steps(batches, hooks, epoch, together=together)
        finally:
            if together and self.crew is not None:
                self.crew.rest()

    def _steps(
        self, batches: Iterator[tuple[torch.Tensor, torch.Tensor]], hooks: Hooks, epoch: int, *, together: bool
    ) -> tuple[float, float]:
        total, right, seen = 0.0, 0, 0
        for inputs, labels in batches:
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate(self.config, self.step, self.steps)
            self.optimizer.zero_grad(set_to_none=True)
            count = self.config.chunk_images or math.ceil(len(labels) / (processes() if together else 1))
            parts = [
                (some, wanted, len(wanted) / len(labels))
                for some, wanted in zip(inputs.split(count), labels.split(count), strict=True)
            ]
            loss, called = self._gradients(parts, together=together)
            if not math.isfinite(loss):
                raise lost(f"the loss became {loss}", epoch=epoch, step=self.step, lr=self.config.lr)
            self.optimizer.step()
            hooks.after_step()
            self.step += 1
            total, right, seen = total + loss, right + called, seen + len(labels)
        require_numbers(self.network, epoch=epoch, step=self.step, lr=self.config.lr)
        return total / seen, right / seen

    def _gradients(self, parts: list[Part], *, together: bool) -> tuple[float, int]:
        """Of all parts of a batch; returns the summed loss of its pictures and how many were called right."""
        if together and self.crew is not None:
            return self.crew.step(self.network, parts, self.backward)
        total, right = 0.0, 0
        for inputs, labels, share in parts:
            loss, logits = self.backward(self.network, inputs, labels, share)
            if not math.isfinite(loss):
                return loss, right
            total += loss * len(labels)
            right += int((logits.argmax(1) == labels).sum())
        return total, right
