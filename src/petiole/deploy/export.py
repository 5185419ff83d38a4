"""A torch network as one ``model.onnx``: dynamic batch, no external data, input ``images``, output ``logits``."""

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import onnx
import torch
from onnxscript import optimizer
from torch import nn
from torch.export import Dim
from torch.fx import GraphModule

from petiole.deploy.biases import quantize_biases
from petiole.deploy.graph import strip
from petiole.deploy.layer_names import name_layers
from petiole.deploy.padding import fold_padding
from petiole.deploy.quantized_template import put_activation_scales, structure
from petiole.errors import GateError


@contextlib.contextmanager
def quiet_exporter() -> Iterator[None]:
    """Silence what torch's exporter says of itself: deprecated calls inside it, and its progress lines."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=FutureWarning)
        warnings.filterwarnings("ignore", category=UserWarning, module="torch")
        # A graph of torch.export keeps its training flag; it was put into eval mode where it was made.
        warnings.filterwarnings("ignore", message="Exporting a model while it is in training mode")
        try:
            yield
        finally:
            log.setLevel(level)


class OnnxExporter:
    """Exports networks; networks of one architecture are traced once and get their numbers put in.

    Tracing takes seconds, and the lab has many networks that differ in their numbers only (pruned, retrained,
    quantized in another way).
    """

    def __init__(self) -> None:
        self._templates: dict[str, onnx.ModelProto] = {}

    def export(self, network: nn.Module, input_shape: tuple[int, ...], path: Path, *, architecture: str = "") -> int:
        """Write ``network`` to ``path`` and return its size in bytes.

        ``architecture`` names the template to share; quantized graphs share theirs by their structure, and other
        networks without that name share none.
        """
        quantized = network if isinstance(network, GraphModule) and not architecture else None
        if quantized is not None:
            architecture = structure(quantized)
        elif not architecture:
            return _save(_trace(network, input_shape, optimize=True), path)
        key = f"{architecture} {input_shape}"
        if key not in self._templates:
            plain = quantized or copy.deepcopy(network).eval().to(memory_format=torch.contiguous_format)
            self._templates[key] = _trace(plain, input_shape, optimize=False)
        model = onnx.ModelProto()
        model.CopyFrom(self._templates[key])
        state = network.state_dict()
        for initializer in model.graph.initializer:
            if initializer.name in state:
                value = state[initializer.name].detach().contiguous().numpy()
                initializer.CopyFrom(onnx.numpy_helper.from_array(value, initializer.name))
        if quantized is not None:
            put_activation_scales(model, quantized)
        with quiet_exporter():
            optimized: onnx.ModelProto = optimizer.optimize(model)  # constants computed, BatchNorm folded
        return _save(optimized, path)


def _save(model: onnx.ModelProto, path: Path) -> int:
    """Write a graph as the runtimes like it; returns its size in bytes."""
    name_layers(model)
    fold_padding(model)
    quantize_biases(model)
    strip(model)
    onnx.save(model, str(path))
    return path.stat().st_size


def _trace(network: nn.Module, input_shape: tuple[int, ...], *, optimize: bool) -> onnx.ModelProto:
    """The network's ONNX graph for inputs ``(N, *input_shape)`` with any N."""
    with quiet_exporter():
        try:
            program = torch.onnx.export(
                network,
                (torch.zeros(2, *input_shape),),
                dynamo=True,
                external_data=False,
                optimize=optimize,
                verbose=False,
                dynamic_shapes=({0: Dim("batch", min=1, max=4096)},),
                input_names=["images"],
                output_names=["logits"],
            )
        except (RuntimeError, ValueError, TypeError) as error:  # OnnxExporterError is a RuntimeError
            why = str(error).strip().splitlines()[0]
            raise GateError(f"{type(network).__name__} cannot be written as ONNX ({why})") from error
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    return model
