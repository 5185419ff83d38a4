"""OpenVINO among everything else in the process."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, save

from petiole.deploy.runtime_openvino import OpenVinoRuntime
from petiole.errors import UserError

OPENED_AND_GIVEN_UP = """
import os, signal, sys
from petiole.deploy.runtime_openvino import OpenVinoRuntime

signal.signal(signal.SIGINT, lambda *_: print("heard"))
held = [OpenVinoRuntime(sys.argv[1], threads=1) for _ in range(3)]
while held:
    held.pop(0)
os.kill(os.getpid(), signal.SIGINT)
"""
"""Networks that go in the order in which they came, as those of a run do; then Ctrl-C."""


def relu(path: Path) -> Path:
    shape: list[str | int | None] = ["N", 2]
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])], "relu",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )  # fmt: skip
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), str(path))
    return path


def test_one_picture_or_several_in_any_order(tmp_path: Path) -> None:
    runtime = OpenVinoRuntime(relu(tmp_path / "relu.onnx"), threads=1)
    inputs = np.array([[-1.0, 2.0], [3.0, -4.0], [-5.0, -6.0]], dtype=np.float32)
    for first, last in ((0, 3), (0, 1), (1, 3), (2, 3), (0, 3), (0, 0)):
        assert runtime.run(inputs[first:last]).tolist() == np.maximum(inputs[first:last], 0).tolist()


@pytest.mark.parametrize("pictures", [1, 2])
def test_inputs_of_another_shape_are_refused(tmp_path: Path, pictures: int) -> None:
    runtime = OpenVinoRuntime(relu(tmp_path / "relu.onnx"), threads=1)
    with pytest.raises(UserError, match=r"^OpenVINO cannot run .*relu\.onnx on inputs of shape \(\d, 3\) \("):
        runtime.run(np.zeros((pictures, 3), dtype=np.float32))


def test_a_signal_is_heard_after_networks_have_come_and_gone(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", OPENED_AND_GIVEN_UP, str(relu(tmp_path / "relu.onnx"))],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "heard\n"), signal.Signals(-done.returncode).name
