"""What runs a network: inputs ``(N, C, H, W)`` float32 -> logits ``(N, classes)`` float32.

A runtime can say which of its layers it really computes in int8, read from what it compiled.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch

Array = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


@dataclass(frozen=True, kw_only=True)
class Layers:
    """Names of the convolution and linear layers that a runtime computes in int8, and in float."""

    int8: tuple[str, ...]
    floating: tuple[str, ...]

    @property
    def total(self) -> int:
        """All of them."""
        return len(self.int8) + len(self.floating)


class Runtime(ABC):
    """A network that is ready to run on ``threads`` threads."""

    name: str
    threads: int

    @abstractmethod
    def run(self, inputs: Array) -> Array:
        """Logits of a contiguous array, as it is measured: nothing but the runtime's own call.

        What is returned may be overwritten by the next call.
        """

    @abstractmethod
    def layers(self) -> Layers:
        """Which convolution and linear layers run in int8, read from what was compiled."""

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        """Logits ``(N, classes)`` of inputs ``(N, C, H, W)``."""
        return torch.from_numpy(self.run(inputs.contiguous().numpy()).copy())

    def one_by_one(self, inputs: torch.Tensor) -> torch.Tensor:
        """The same, each input in a call of its own."""
        return torch.cat([self(each) for each in inputs.split(1)])
