"""The runtimes of an artifact, behind one call: inputs ``(N, C, H, W)`` float32 -> logits ``(N, classes)``."""

from pathlib import Path

import numpy as np
import openvino
import torch


class OpenVinoRuntime:
    """A ``model.onnx`` compiled by OpenVINO for this CPU.

    Float parts are computed in float32, and activations are rounded only where the file says so (by default the CPU
    plugin rounds the inputs of every linear layer with int8 weights, its "dynamic quantization"): a file must give
    the results that it was judged by.
    """

    name = "openvino"

    def __init__(self, path: Path, *, threads: int) -> None:
        core = openvino.Core()
        options = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
            "INFERENCE_NUM_THREADS": threads,
        }
        self._compiled = core.compile_model(str(path), "CPU", options)
        self._request = self._compiled.create_infer_request()

    def run(
        self, inputs: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]"
    ) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
        """Logits of a contiguous array, as it is measured: nothing but the runtime's own call."""
        result: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = self._request.infer([inputs], share_inputs=True)[0]
        return result

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        """Logits ``(N, classes)`` of inputs ``(N, C, H, W)``."""
        return torch.from_numpy(self.run(inputs.contiguous().numpy()).copy())

    def int8_layers(self) -> tuple[int, int]:
        """``(int8, all)`` convolution and matrix-product layers, read from the compiled model's own execution graph."""
        int8 = total = 0
        for node in self._compiled.get_runtime_model().get_ops():
            info = {
                key: str(value.astype(str)) if hasattr(value, "astype") else str(value)
                for key, value in dict(node.get_rt_info()).items()
            }
            if info.get("layerType") in {"Convolution", "GroupConvolution", "FullyConnected", "MatMul"}:
                total += 1
                int8 += info.get("primitiveType", "").endswith(("I8", "i8", "u8", "U8"))
        return int8, total
