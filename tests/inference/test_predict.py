"""An artifact at work: photos of all kinds in, rows out; the same as where it was made."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image

from judged import INT8, quiet
from petiole import api
from petiole.deploy import runtimes
from petiole.deploy.artifact import sealed
from petiole.deployed import fastest, read
from petiole.errors import UserError
from petiole.models.lenet import LeNet
from petiole.preprocessing import DIGITS
from petiole.quantization import eager
from petiole.rundir import RunDir
from petiole.variants import AssemblyLine, Subject, Task

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.mark.parametrize("name", ["CNNScratch", INT8])
def test_predictions_are_those_of_the_test_split(judged_run: Path, drawn_photos: Path, name: str) -> None:
    """Decoded from files by the artifact alone, and judged in the lab: the same classes and probabilities."""
    judged = json.loads(
        (judged_run / "predictions" / f"{name}{'-pt2e' if 'int8' in name else ''}-seed0.json").read_text()
    )
    said: list[str] = []
    rows = list(api.predict(judged_run / "artifacts" / name, [str(drawn_photos / "val")], threads=1, say=said.append))
    assert [("ants", "bees").index(str(row.label)) for row in rows] == judged["predicted"]
    assert [row.probability for row in rows] == pytest.approx(judged["probability"], abs=0.02)
    for row in rows:
        assert row.probabilities is not None
        assert list(row.probabilities) == ["ants", "bees"]
        assert sum(row.probabilities.values()) == pytest.approx(1)
        assert row.probability == row.probabilities[str(row.label)] == max(row.probabilities.values())
    assert [("ants", "bees").index(Path(row.path).parent.name) for row in rows] == judged["labels"]
    assert said[0].startswith("runtime: ")


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime", "torch"])
def test_every_runtime_says_the_same(judged_run: Path, drawn_photos: Path, runtime: str) -> None:
    rows = [
        list(
            api.predict(
                judged_run / "artifacts/CNNScratch", [str(drawn_photos / "val")], runtime=each, threads=1, say=quiet
            )
        )
        for each in ("openvino", runtime)
    ]
    assert [row.label for row in rows[0]] == [row.label for row in rows[1]]
    assert [row.probability for row in rows[0]] == pytest.approx([row.probability for row in rows[1]], abs=1e-4)


def test_what_cannot_be_read_is_a_row_in_its_place(judged_run: Path, drawn_photos: Path, tmp_path: Path) -> None:
    good = sorted((drawn_photos / "val/ants").iterdir())[0]
    shutil.copy(good, tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes(good.read_bytes()[:200])
    (tmp_path / "c.png").write_bytes(b"")
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "d.PNG")
    (tmp_path / "notes.txt").write_text("no picture")
    images = [str(tmp_path), str(tmp_path / "gone.jpg"), str(tmp_path / "a*.jpg")]
    rows = list(api.predict(judged_run / "artifacts" / INT8, images, runtime="openvino", threads=2, say=quiet))
    assert [Path(row.path).name for row in rows] == ["a.jpg", "b.jpg", "c.png", "d.PNG", "gone.jpg", "a.jpg"]
    assert [row.why is None for row in rows] == [True, False, False, True, False, True]
    assert rows[2].why == "empty file"
    assert rows[4].why == "no such file"
    assert rows[0].label == rows[5].label


def test_a_fresh_process_needs_the_directory_alone(judged_run: Path, drawn_photos: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(judged_run / "artifacts" / INT8, tmp_path / "elsewhere")
    command = [sys.executable, "-m", "petiole", "predict", str(copied), str(drawn_photos / "val"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    here = api.predict(judged_run / "artifacts" / INT8, [str(drawn_photos / "val")], threads=1, say=quiet)
    assert [row["label"] for row in json.loads(done.stdout)["rows"]] == [row.label for row in here]


def test_nothing_named_is_an_error(judged_run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no pictures in"):
        list(api.predict(judged_run / "artifacts/CNNScratch", [str(tmp_path / "*.jpg")], threads=1, say=quiet))


@pytest.mark.parametrize("how", get_args(eager.Recipe))
def test_eager_artifacts_are_opened_again(how: eager.Recipe, tmp_path: Path) -> None:
    """Each of LeNet's recipes: what is stored beside the file is of the prepared network, and is not needed."""
    torch.manual_seed(0)
    network, inputs = LeNet().eval(), torch.randn(24, 1, 32, 32)
    task = Task(
        dataset="digits", classes=tuple("0123456789"), preprocessing=DIGITS, inputs=inputs,
        labels=network(inputs).argmax(1),
    )  # fmt: skip
    line = AssemblyLine(RunDir(tmp_path), threads=1)
    line.judge_float(network, task, Subject(name="LeNet", seed=0, parent=None, backbone="LeNet", how=""))
    trained = None
    if how == "dynamic":
        int8 = eager.dynamic(network)
    else:
        prepared = eager.prepare_static(network) if how == "static" else eager.prepare_qat(network)
        eager.calibrate(prepared, inputs)
        int8, trained = eager.convert(prepared), prepared.state_dict() if how == "qat" else None
    subject = Subject(
        name=f"LeNet-{how}-int8", seed=0, parent="LeNet", backbone="LeNet", how="", engine="eager",
        plan={"quantization": {"how": how}},
    )  # fmt: skip
    line.judge_eager(int8, network, task, subject, float_layers=2 if how == "dynamic" else 0, trained=trained)
    deployed = read(tmp_path / f"artifacts/LeNet-{how}-int8-eager")
    assert torch.allclose(deployed.open("torch", threads=1)(inputs), int8(inputs), atol=1e-6)
    assert fastest(deployed, threads=1, say=quiet).name in runtimes.NAMES


def test_int8_graphs_do_not_run_in_torch(judged_run: Path) -> None:
    with pytest.raises(UserError, match="no int8 kernels"):
        api.predict(judged_run / "artifacts" / INT8, ["x.jpg"], runtime="torch", say=quiet)
    with pytest.raises(UserError, match="unknown runtime 'tpu': choose from auto, openvino"):
        api.predict(judged_run / "artifacts" / INT8, ["x.jpg"], runtime="tpu", say=quiet)


@pytest.mark.parametrize(
    ("architecture", "channels"),
    [
        ("vit_b_16", [["conv_proj", [0]]]),
        ("mobilenetv3_small_100.bogus", []),
        ("vit_small_patch14_dinov2", []),
        ("inception_v3", [["Conv2d_1a_3x3.conv", [0]]]),
    ],
)
def test_a_card_of_no_possible_network_is_told_and_other_runtimes_predict(
    architecture: str, channels: list[object], judged_run: Path, drawn_photos: Path, tmp_path: Path
) -> None:
    copied = Path(shutil.copytree(judged_run / "artifacts/CNNScratch", tmp_path / "other"))
    card = json.loads((copied / "artifact.json").read_text())
    plan = {**card["plan"], "pruning": {"channels": channels}}
    (copied / "artifact.json").write_text(sealed({**card, "architecture": architecture, "plan": plan}))
    photo = str(next((drawn_photos / "val" / "ants").iterdir()))
    with pytest.raises(UserError, match=r"artifact\.json of CNNScratch|do not fit"):
        list(api.predict(copied, [photo], runtime="torch", say=quiet))
    (row,) = api.predict(copied, [photo], runtime="auto", say=quiet)
    assert row.label in ("ants", "bees")
