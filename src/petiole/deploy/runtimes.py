"""What runs a network, behind one interface: inputs ``(N, C, H, W)`` float32 -> logits ``(N, classes)`` float32.

``runtime_openvino.py`` and ``runtime_onnxruntime.py`` run an artifact's ``model.onnx``, ``runtime_torch.py`` a network
of torch. Each can say which of its layers it really computes in int8, read from what it compiled.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from petiole.errors import unknown_choice

Array = np.ndarray[tuple[int, ...], np.dtype[np.float32]]

OF_FILES = ("openvino", "onnxruntime")
"""Runtimes of ``model.onnx``."""
NAMES = (*OF_FILES, "torch")


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


def of_file(name: str, path: Path, *, threads: int) -> Runtime:
    """The runtime ``name`` with ``model.onnx`` at ``path``.

    Raises:
        UserError: there is no such runtime for files, or it cannot read this one.
    """
    if name == "openvino":
        from petiole.deploy.runtime_openvino import OpenVinoRuntime

        return OpenVinoRuntime(path, threads=threads)
    if name == "onnxruntime":
        from petiole.deploy.runtime_onnxruntime import OnnxRuntime

        return OnnxRuntime(path, threads=threads)
    raise unknown_choice("runtime", name, list(OF_FILES))
