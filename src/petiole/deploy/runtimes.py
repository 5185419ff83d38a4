"""The runtimes by name: two for an artifact's ``model.onnx``, and torch for a network of torch."""

from collections.abc import Callable
from pathlib import Path

from petiole.deploy.runtime import Runtime
from petiole.deploy.runtime_onnxruntime import OnnxRuntime
from petiole.deploy.runtime_openvino import OpenVinoRuntime
from petiole.errors import unknown_choice

_OPEN: dict[str, Callable[..., Runtime]] = {"openvino": OpenVinoRuntime, "onnxruntime": OnnxRuntime}
OF_FILES = tuple(_OPEN)
"""Runtimes of ``model.onnx``."""
NAMES = (*OF_FILES, "torch")


def of_file(name: str, path: Path, *, threads: int) -> Runtime:
    """The runtime ``name`` with ``model.onnx`` at ``path``.

    Raises:
        UserError: there is no such runtime for files, or it cannot read this one.
    """
    if name not in _OPEN:
        raise unknown_choice("runtime", name, list(OF_FILES))
    return _OPEN[name](path, threads=threads)
