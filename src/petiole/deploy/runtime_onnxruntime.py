"""ONNX Runtime: runs everywhere, also where OpenVINO does not."""

import re
import tempfile
from pathlib import Path

import onnx
import onnxruntime
from google.protobuf.message import DecodeError

from petiole.deploy.float_layers import float_layers
from petiole.deploy.runtime import Array, Layers, Runtime
from petiole.errors import UserError

INT8 = {"QLinearConv", "QGemm", "QLinearMatMul", "ConvInteger", "MatMulInteger", "MatMulIntegerToFloat",
        "DynamicQuantizeMatMul"}  # fmt: skip
FLOAT = {"Conv", "FusedConv", "NhwcFusedConv", "ConvTranspose", "Gemm", "FusedGemm", "MatMul", "FusedMatMul"}
ERRORS_ONLY = 3
REQUANTIZES = "WeightBiasQuantization"
"""The optimization that makes int8 of a float layer between int8 ones, with scales of its own."""
_ADDED = re.compile(r"_token_\d+$|_nchwc$")
"""What ONNX Runtime adds to the name of a layer that it fuses, or of the output of one whose layout it changes."""
_state = onnxruntime.capi.onnxruntime_pybind11_state
REFUSALS = (_state.Fail, _state.InvalidArgument, _state.InvalidGraph, _state.InvalidProtobuf, _state.NotImplemented,
            _state.NoSuchFile, _state.RuntimeException, UnicodeDecodeError)  # fmt: skip
"""The last one: its own words on a broken name are no text."""


class OnnxRuntime(Runtime):
    """A ``model.onnx`` in a session of ONNX Runtime's own CPU kernels, with all of its graph optimizations; what the
    file leaves in float stays float."""

    name = "onnxruntime"

    def __init__(self, path: Path, *, threads: int) -> None:
        self.threads, self.path = threads, path
        self._disabled = [REQUANTIZES] if _has_float_layers(path) else []
        self._session = self._open(_options(threads))
        self._input = self._session.get_inputs()[0].name

    def _open(self, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
        try:
            return onnxruntime.InferenceSession(
                str(self.path), options, providers=["CPUExecutionProvider"], disabled_optimizers=self._disabled
            )
        except REFUSALS as error:
            raise self._refused(error) from error

    def run(self, inputs: Array) -> Array:
        """Logits."""
        try:
            result: Array = self._session.run(None, {self._input: inputs})[0]
        except REFUSALS as error:
            raise self._refused(error) from error
        return result

    def _refused(self, error: Exception) -> UserError:
        why = str(error).splitlines()[0]
        return UserError(f"ONNX Runtime cannot run {self.path} ({why}): copy the artifact directory again")

    def layers(self) -> Layers:
        """Read from the optimized graph, which a second session writes to a file that is gone afterwards."""
        with tempfile.TemporaryDirectory() as folder:
            options = _options(self.threads)
            options.optimized_model_filepath = str(Path(folder) / "optimized.onnx")
            self._open(options)
            nodes = onnx.load(options.optimized_model_filepath).graph.node
        made_by = {node.output[0]: node.name for node in onnx.load(str(self.path)).graph.node}

        def named(kinds: set[str]) -> tuple[str, ...]:
            names = (_ADDED.sub("", node.name) for node in nodes if node.op_type in kinds)
            return tuple(made_by.get(name, name) for name in names)

        return Layers(int8=named(INT8), floating=named(FLOAT))


def _has_float_layers(path: Path) -> bool:
    try:
        return bool(float_layers(onnx.load(str(path), load_external_data=False)))
    except (DecodeError, OSError, IndexError, UnicodeDecodeError):  # the session tells what is wrong with it
        return False


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.force_spinning_stop", "1")  # else its threads disturb what runs next
    options.log_severity_level = ERRORS_ONLY  # an optimized file "should only be used on this machine", which it is
    return options
