"""Knowledge distillation: a network learns to answer as a larger one does, not only to name the right class."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from petiole.errors import UserError

Objective = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""``(inputs (N, C, H, W), logits (N, classes) float32, labels (N,)) -> loss``, what :func:`petiole.training.fit.fit`
minimizes."""


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """An objective: ``T^2 KL(softmax(teacher / T) || softmax(student / T))``, mean over pictures
    (Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network", section 2).

    The teacher sees the same augmented pictures in eval mode. ``hard``, between 0 and 1, is the share of ordinary
    cross-entropy with the labels. Without it labels play no part: pictures that the teacher gets wrong are learned so.

    Raises:
        UserError: ``temperature`` is not above 0 and finite, or ``hard`` is not between 0 and 1.
    """

    teacher: nn.Module
    temperature: float = 2.0
    hard: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf:
            raise UserError(f"temperature {self.temperature:g} of distillation is not above 0: give one such as 2")
        if not 0 <= self.hard <= 1:
            raise UserError(f"hard {self.hard:g} of distillation is not between 0 and 1: give a share such as 0.3")

    def describe(self) -> str:
        """The objective in words, for the report."""
        words = f"distillation from the unpruned network at temperature {self.temperature:g}"
        return words + (f" with {self.hard:.0%} cross-entropy" if self.hard else "")

    def __call__(self, inputs: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The loss of one batch; the caller's autocast holds for the teacher too."""
        with torch.no_grad():
            taught = self.teacher.eval()(inputs).float()
        with torch.autocast("cpu", enabled=False):
            towards = (taught / self.temperature).softmax(1)
            soft = F.kl_div((logits / self.temperature).log_softmax(1), towards, reduction="batchmean")
            loss = self.temperature**2 * soft
            return loss if not self.hard else (1 - self.hard) * loss + self.hard * F.cross_entropy(logits, labels)
