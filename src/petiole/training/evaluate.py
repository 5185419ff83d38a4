"""Judging a network on pictures: batched, without gradients, the same for every network."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from petiole.errors import GateError
from petiole.records import Accuracy
from petiole.stats import wilson

Forward = Callable[[torch.Tensor], torch.Tensor]
"""Inputs ``(N, C, H, W)`` float32 -> logits ``(N, classes)``: a torch network or a runtime."""


class Inputs(Protocol):
    """Inputs ``(N, C, H, W)`` float32: a tensor, or views of photos that are made when they are asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any, /) -> torch.Tensor: ...

    def split(self, size: int, /) -> Iterable[torch.Tensor]: ...


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Logits ``(N, classes)`` float32 and labels ``(N,)`` int64 of one split, in its order."""

    logits: torch.Tensor
    labels: torch.Tensor

    @property
    def predicted(self) -> torch.Tensor:
        """The predicted class of each picture, ``(N,)``."""
        return self.logits.argmax(dim=1)

    @property
    def probability(self) -> torch.Tensor:
        """The probability of the predicted class, ``(N,)`` (softmax)."""
        return self.logits.softmax(1).max(1).values

    @property
    def right(self) -> torch.Tensor:
        """Whether each picture was called by its class, ``(N,)`` bool."""
        return self.predicted == self.labels

    def accuracy(self, classes: Sequence[str]) -> Accuracy:
        """The accuracy record with its Wilson interval, accuracy of each class, and confusion matrix."""
        count = len(classes)
        cells = torch.bincount(self.labels * count + self.predicted, minlength=count * count).view(count, count)
        correct, total = int(cells.diagonal().sum()), int(cells.sum())
        by_class = {
            name: float(cells[i, i]) / int(cells[i].sum()) for i, name in enumerate(classes) if int(cells[i].sum())
        }
        return Accuracy(
            correct=correct,
            total=total,
            value=correct / total,
            ci95=wilson(correct, total),
            by_class=by_class,
            confusion=cells.tolist(),
        )


@torch.no_grad()
def predict(forward: Forward, inputs: Inputs, labels: torch.Tensor, *, batch_images: int = 16) -> Predictions:
    """Run a network or runtime over inputs ``(N, C, H, W)``. A module is put into eval mode and left there.

    Raises:
        GateError: a logit is NaN or infinite; the class called then would be the first one, whatever is on the picture.
    """
    if isinstance(forward, nn.Module):
        forward.eval()
    logits = torch.cat([forward(batch).float() for batch in inputs.split(batch_images)])
    lost = (~logits.isfinite()).any(dim=1).nonzero()
    if len(lost):
        which = int(lost[0])
        raise GateError(f"the logits of picture {which} are no numbers: {logits[which].tolist()}")
    return Predictions(logits=logits, labels=labels)
