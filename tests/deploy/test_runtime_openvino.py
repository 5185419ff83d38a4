"""OpenVINO among everything else in the process."""

import signal
import subprocess
import sys
from pathlib import Path

from onnx import TensorProto, helper, save

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


def test_a_signal_is_heard_after_networks_have_come_and_gone(tmp_path: Path) -> None:
    shape: list[str | int | None] = ["N", 2]
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])], "relu",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )  # fmt: skip
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), str(tmp_path / "relu.onnx"))
    done = subprocess.run(
        [sys.executable, "-c", OPENED_AND_GIVEN_UP, str(tmp_path / "relu.onnx")],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "heard\n"), signal.Signals(-done.returncode).name
