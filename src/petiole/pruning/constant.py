"""The constant that refitting adds to what a convolution answers, where the network has room for one."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Constant:
    """What the network adds to each output of a convolution, as compared with the unpruned one: in its bias, or (with
    the other ``sign``) in the mean that the BatchNorm behind it subtracts."""

    held: torch.Tensor
    unpruned: torch.Tensor
    sign: int

    def now(self) -> torch.Tensor:
        return self.sign * (self.held.detach() - self.unpruned)

    def set(self, constant: torch.Tensor) -> None:
        """In place; what an earlier refit added is forgotten."""
        self.held.copy_(self.unpruned + self.sign * constant)
