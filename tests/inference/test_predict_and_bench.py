"""An artifact at work: photos of all kinds in, rows out; speed measured against the float parent."""

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

from petiole import api
from petiole.bench.load import Load
from petiole.bench.machine import cpu_name
from petiole.data.augment import centre_views, normalize
from petiole.data.folder import open_photos
from petiole.deploy import runtimes
from petiole.deploy.artifact import logits_digest, sealed
from petiole.deploy.parity import AccuracyError, require_parity
from petiole.deployed import EXACT_INT8, fastest, read
from petiole.errors import GateError, UserError
from petiole.models.lenet import LeNet
from petiole.models.scratch import CNNScratch
from petiole.preprocessing import DIGITS, SMALL
from petiole.quantization import eager, pt2e
from petiole.records import Variant
from petiole.rundir import RunDir
from petiole.variants import AssemblyLine, Subject, Task

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
INT8 = "CNNScratch-static-int8"


def quiet(text: str) -> None:
    """Nobody listens."""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return api.draw(tmp_path_factory.mktemp("photos") / "drawn", count=24)


def scratch(photos: Path) -> tuple[CNNScratch, Task]:
    """A CNNScratch with random weights, and the drawn test photos."""
    data = open_photos(photos, source="synthetic", synthetic=True, seed=0)
    task = Task(
        dataset="photos", classes=("ants", "bees"), preprocessing=SMALL,
        inputs=normalize(centre_views(data.test, SMALL), SMALL), labels=data.test.labels,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = CNNScratch(2)
    network(task.inputs[:])  # BatchNorm sees something
    return network.eval(), task


def judged(photos: Path, out: Path) -> Variant:
    """A CNNScratch with random weights as the lab judges it."""
    network, task = scratch(photos)
    subject = Subject(name="CNNScratch", seed=0, parent=None, backbone="CNNScratch", how="")
    return AssemblyLine(RunDir(out), threads=1).judge_float(network, task, subject)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Path:
    """A run directory with a CNNScratch (random weights) and its static quantization, judged as in the lab."""
    out = tmp_path_factory.mktemp("run")
    judged(photos, out)
    network, task = scratch(photos)
    prepared = pt2e.prepare_static(pt2e.export_graph(network, SMALL.input_shape))
    pt2e.calibrate(prepared, task.inputs[:])
    subject = Subject(
        name=INT8, seed=0, parent="CNNScratch", backbone="CNNScratch", how="", engine="pt2e", plan={"quantization": {}}
    )
    AssemblyLine(RunDir(out), threads=1).judge_pt2e(pt2e.convert(prepared), network, task, subject)
    return out


@pytest.mark.parametrize("name", ["CNNScratch", INT8])
def test_predictions_are_those_of_the_test_split(run: Path, photos: Path, name: str) -> None:
    """Decoded from files by the artifact alone, and judged in the lab: the same classes and probabilities."""
    judged = json.loads((run / "predictions" / f"{name}{'-pt2e' if 'int8' in name else ''}-seed0.json").read_text())
    said: list[str] = []
    rows = list(api.predict(run / "artifacts" / name, [str(photos / "val")], threads=1, say=said.append))
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
def test_every_runtime_says_the_same(run: Path, photos: Path, runtime: str) -> None:
    rows = [
        list(api.predict(run / "artifacts/CNNScratch", [str(photos / "val")], runtime=each, threads=1, say=quiet))
        for each in ("openvino", runtime)
    ]
    assert [row.label for row in rows[0]] == [row.label for row in rows[1]]
    assert [row.probability for row in rows[0]] == pytest.approx([row.probability for row in rows[1]], abs=1e-4)


def test_what_cannot_be_read_is_a_row_in_its_place(run: Path, photos: Path, tmp_path: Path) -> None:
    good = sorted((photos / "val/ants").iterdir())[0]
    shutil.copy(good, tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes(good.read_bytes()[:200])
    (tmp_path / "c.png").write_bytes(b"")
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "d.PNG")
    (tmp_path / "notes.txt").write_text("no picture")
    images = [str(tmp_path), str(tmp_path / "gone.jpg"), str(tmp_path / "a*.jpg")]
    rows = list(api.predict(run / "artifacts" / INT8, images, runtime="openvino", threads=2, say=quiet))
    assert [Path(row.path).name for row in rows] == ["a.jpg", "b.jpg", "c.png", "d.PNG", "gone.jpg", "a.jpg"]
    assert [row.why is None for row in rows] == [True, False, False, True, False, True]
    assert rows[2].why == "empty file"
    assert rows[4].why == "no such file"
    assert rows[0].label == rows[5].label


def test_a_fresh_process_needs_the_directory_alone(run: Path, photos: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(run / "artifacts" / INT8, tmp_path / "elsewhere")
    command = [sys.executable, "-m", "petiole", "predict", str(copied), str(photos / "val"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    here = api.predict(run / "artifacts" / INT8, [str(photos / "val")], threads=1, say=quiet)
    assert [row["label"] for row in json.loads(done.stdout)["rows"]] == [row.label for row in here]


def test_nothing_named_is_an_error(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no pictures in"):
        list(api.predict(run / "artifacts/CNNScratch", [str(tmp_path / "*.jpg")], threads=1, say=quiet))


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


def test_int8_graphs_do_not_run_in_torch(run: Path) -> None:
    with pytest.raises(UserError, match="no int8 kernels"):
        api.predict(run / "artifacts" / INT8, ["x.jpg"], runtime="torch", say=quiet)
    with pytest.raises(UserError, match="unknown runtime 'tpu': choose from auto, openvino"):
        api.predict(run / "artifacts" / INT8, ["x.jpg"], runtime="tpu", say=quiet)


def test_a_runtime_that_costs_pictures_is_refused_and_the_other_stays(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lossy(*logits: torch.Tensor, int8: bool, name: str) -> tuple[int, float]:
        if "onnxruntime" in name:
            raise AccuracyError(f"the exported {name} is right about 3 of 10 pictures, the network about 5")
        return require_parity(*logits, int8=int8, name=name)

    monkeypatch.setattr("petiole.variants.require_parity", lossy)
    variant = judged(photos, tmp_path)
    assert "right about 3 of 10" in variant.gates["refused_onnxruntime"]
    assert variant.gates["parity_flips"] == 0
    directory = tmp_path / "artifacts/CNNScratch"
    with pytest.raises(UserError, match="onnxruntime was refused where it was made"):
        api.predict(directory, ["x.jpg"], runtime="onnxruntime", say=quiet)
    told: list[str] = []
    list(api.predict(directory, ["x.jpg"], threads=1, say=told.append))
    assert "onnxruntime" not in told[0]


def test_a_processor_without_exact_int8_is_warned_about(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = run / "artifacts" / INT8
    there = read(directory).card.measured_on.isa
    monkeypatch.setattr("petiole.deployed.isa", lambda: ["avx2"])
    if EXACT_INT8 & set(there):
        (warning,) = read(directory).warnings
        assert "which this processor lacks" in warning
    assert read(run / "artifacts/CNNScratch").warnings == ()


def test_a_network_that_answers_otherwise_here_is_refused(run: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(run / "artifacts/CNNScratch", tmp_path / "other"))
    card = json.loads((copied / "artifact.json").read_text())
    (copied / "artifact.json").write_text(sealed({**card, "logits_digest": "0" * 64}))
    with pytest.raises(UserError, match="are not those that were written"):
        read(copied)
    card["check_logits"] = [[a + 1, b - 1] for a, b in card["check_logits"]]
    card["logits_digest"] = logits_digest(torch.tensor(card["check_logits"]))
    (copied / "artifact.json").write_text(sealed(card))
    for runtime in ("openvino", "auto"):  # auto tries the others, tells, and gives up
        with pytest.raises(GateError, match="does not give what it gave where it was made"):
            api.predict(copied, ["x.jpg"], runtime=runtime, say=quiet)


def test_bench_compares_with_the_float_parent_in_eager_torch(run: Path) -> None:
    result = api.bench(
        [run / "artifacts" / INT8], runtime="openvino", against=["onnxruntime"], threads=1, samples=40, say=quiet
    )
    assert [(row.name, row.latency.runtime) for row in result.rows] == [
        ("CNNScratch", "torch"), (INT8, "openvino"), (INT8, "onnxruntime"),
    ]  # fmt: skip
    assert result.rows[0].speedup is None
    for row in result.rows[1:]:
        assert row.latency.samples >= 40
        assert row.speedup is not None
        assert row.speedup.low <= row.speedup.high
    assert result.rows[1].file_bytes < result.rows[0].file_bytes / 2
    assert result.rows[0].images_per_s == pytest.approx(1000 / result.rows[0].latency.p50_ms)


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"cpu": "Another 3000"}, "Another 3000"), ({"isa": ["avx_9000"]}, f"{cpu_name()}, with other instructions")],
)
def test_bench_says_when_the_artifact_is_of_another_machine(
    changes: dict[str, object], told: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Load, "others_share", lambda load: 0.0)
    copied = Path(shutil.copytree(run / "artifacts" / INT8, tmp_path / "other"))
    card = json.loads((copied / "artifact.json").read_text())
    card["measured_on"].update(changes)
    (copied / "artifact.json").write_text(sealed(card))
    result = api.bench([copied], runtime="openvino", threads=1, samples=4, say=quiet)
    assert result.warnings == (f"{INT8} was made on another machine ({told}); the times here are of this one",)
    assert [row.latency.runtime for row in result.rows] == ["openvino"]  # its parent is not beside it


@pytest.mark.parametrize(("share", "flagged"), [(0.05, False), (0.37, True), (None, False)])
def test_bench_says_when_the_machine_was_busy(
    run: Path, monkeypatch: pytest.MonkeyPatch, share: float | None, flagged: bool
) -> None:
    monkeypatch.setattr(Load, "others_share", lambda load: share)
    result = api.bench([run / "artifacts/CNNScratch"], runtime="openvino", threads=1, samples=4, say=quiet)
    assert all(row.latency.others_share == share for row in result.rows)
    told = [warning for warning in result.warnings if "busy" in warning]
    assert len(told) == flagged
    assert not told or "other processes had 37% of the cores' time" in told[0]


@pytest.mark.parametrize(("wrong", "message"), [({"batch": 0}, "--batch 0"), ({"samples": 1}, "--samples 1")])
def test_numbers_out_of_range(run: Path, wrong: dict[str, int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        api.bench([run / "artifacts/CNNScratch"], say=quiet, **wrong)  # type: ignore[arg-type]


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
    architecture: str, channels: list[object], run: Path, photos: Path, tmp_path: Path
) -> None:
    copied = Path(shutil.copytree(run / "artifacts/CNNScratch", tmp_path / "other"))
    card = json.loads((copied / "artifact.json").read_text())
    plan = {**card["plan"], "pruning": {"channels": channels}}
    (copied / "artifact.json").write_text(sealed({**card, "architecture": architecture, "plan": plan}))
    photo = str(next((photos / "val" / "ants").iterdir()))
    with pytest.raises(UserError, match=r"artifact\.json of CNNScratch|do not fit"):
        list(api.predict(copied, [photo], runtime="torch", say=quiet))
    (row,) = api.predict(copied, [photo], runtime="auto", say=quiet)
    assert row.label in ("ants", "bees")
