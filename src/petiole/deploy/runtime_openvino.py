"""OpenVINO: often the fastest runtime for int8 on x86 processors."""

import sys
from functools import cache
from pathlib import Path

# OpenVINO reports its import over the network unless this package is missing; it then uses a stub of its own.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
import openvino  # noqa: E402

from petiole.deploy.runtime import Array, Layers, Runtime  # noqa: E402
from petiole.errors import UserError  # noqa: E402

WEIGHTED = {"Convolution", "GroupConvolution", "Deconvolution", "FullyConnected", "MatMul"}
INT8 = ("I8", "i8", "u8", "U8")
ADDED = "/WithoutBiases"
"""What OpenVINO adds to the name of a layer whose bias it takes apart."""
REFUSALS = (RuntimeError, UnicodeDecodeError)
"""The last one: its own words on a broken name are no text."""


@cache
def _core() -> openvino.Core:
    """The one core of this process, which is never given up.

    The CPU plugin of a core sets the stack on which signals are handled and, when it goes, sets the one that it found.
    Of several cores the last to go may set the stack of one that is gone: the next signal, Ctrl-C, is then SIGSEGV
    (OpenVINO's ``SigAltStackSetup``, as of 2026.4).
    """
    return openvino.Core()


class OpenVinoRuntime(Runtime):
    """A ``model.onnx`` compiled by OpenVINO for this CPU, twice: for one picture in a call, and, when it is first asked
    for (as where an artifact is opened and checked), for several. A shape that is known beforehand makes small networks
    some per cent faster; the price is the weights twice in memory.

    Float parts are computed in float32, and activations are rounded only where the file says so (by default the CPU
    plugin rounds the inputs of every linear layer with int8 weights, its "dynamic quantization"): a file must give
    the results that it was judged by. Layers are not merged into "snippets", of which nobody could tell any more which
    layers are int8; that costs a LeNet a twentieth of its time, and larger networks nothing.
    """

    name = "openvino"

    def __init__(self, path: Path, *, threads: int) -> None:
        self.threads, self.path = threads, path
        self._compiled = self._compile(pictures=1)
        self._one = self._compiled.create_infer_request()
        self._several: openvino.InferRequest | None = None

    def _compile(self, *, pictures: int | None) -> openvino.CompiledModel:
        """For so many pictures in a call; for any number, where there is none."""
        options = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
            "SNIPPETS_MODE": "DISABLE",
            "INFERENCE_NUM_THREADS": self.threads,
        }
        try:
            model = _core().read_model(str(self.path))
            if pictures is not None:
                model.reshape(openvino.PartialShape([pictures, *list(model.input(0).get_partial_shape())[1:]]))
            return _core().compile_model(model, "CPU", options)
        except REFUSALS as error:
            raise self._refused(error) from error

    def run(self, inputs: Array) -> Array:
        """Logits, which are the caller's own."""
        request = self._one if len(inputs) == 1 else self._for_several()
        try:
            result: Array = request.infer([inputs], share_inputs=True)[0]
        except REFUSALS as error:
            raise UserError(
                f"OpenVINO cannot run {self.path} on inputs of shape {inputs.shape} ({_why(error)})"
            ) from error
        return result

    def _for_several(self) -> openvino.InferRequest:
        if self._several is None:
            self._several = self._compile(pictures=None).create_infer_request()
        return self._several

    def _refused(self, error: Exception) -> UserError:
        return UserError(f"OpenVINO cannot run {self.path} ({_why(error)}): copy the artifact directory again")

    def layers(self) -> Layers:
        """Read from the execution graph of the network for one picture."""
        int8: list[str] = []
        floating: list[str] = []
        for node in self._compiled.get_runtime_model().get_ops():
            info = {
                key: str(value.astype(str)) if hasattr(value, "astype") else str(value)
                for key, value in dict(node.get_rt_info()).items()
            }
            if info.get("layerType") in WEIGHTED:
                kind = int8 if info.get("primitiveType", "").endswith(INT8) else floating
                kind.append(node.get_friendly_name().split(ADDED)[0])
        return Layers(int8=tuple(int8), floating=tuple(floating))


def _why(error: Exception) -> str:
    """The last line that says something."""
    return next((line.strip() for line in reversed(str(error).splitlines()) if line.strip()), "no reason given")
