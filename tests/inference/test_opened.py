"""An artifact is opened: it gives what it gave where it was made, or is refused; what is otherwise here is told."""

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from judged import INT8, changed, judged, quiet, scratch
from petiole import api
from petiole.bench.footprint import layer_macs
from petiole.deploy import artifact, runtimes
from petiole.deploy.artifact import logits_digest, sealed
from petiole.deploy.parity import AccuracyError, require_parity
from petiole.deploy.runtime import Runtime
from petiole.deployed import read
from petiole.errors import GateError, UserError
from petiole.preprocessing import SMALL
from petiole.quantization import pt2e
from petiole.rundir import RunDir
from petiole.variants import AssemblyLine, Subject

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


def test_a_runtime_that_costs_pictures_is_refused_and_the_other_stays(
    drawn_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lossy(*logits: torch.Tensor, int8: bool, name: str) -> tuple[int, float]:
        if "onnxruntime" in name:
            raise AccuracyError(f"the exported {name} classifies 3 of 10 pictures correctly, the network 5")
        return require_parity(*logits, int8=int8, name=name)

    monkeypatch.setattr("petiole.variants.require_parity", lossy)
    variant = judged(drawn_photos, tmp_path)
    assert "classifies 3 of 10" in variant.gates["refused_onnxruntime"]
    assert variant.gates["parity_flips"] == 0
    directory = tmp_path / "artifacts/CNNScratch"
    with pytest.raises(UserError, match="onnxruntime was refused where it was made"):
        api.predict(directory, ["x.jpg"], runtime="onnxruntime", say=quiet)
    told: list[str] = []
    list(api.predict(directory, ["x.jpg"], threads=1, say=told.append))
    assert "onnxruntime" not in told[0]


@pytest.mark.parametrize(("here", "warned"), [(["avx2"], True), (["avx2", "avx_vnni"], False)])
def test_a_processor_without_exact_int8_is_warned_about(
    here: list[str], warned: bool, judged_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("petiole.deployed.isa", lambda: here)
    for name, told in ((INT8, warned), ("CNNScratch", False)):
        copied = changed(judged_run / "artifacts" / name, tmp_path / name, measured_on={"isa": ["avx512_vnni", "avx2"]})
        warnings = read(copied).warnings
        assert len(warnings) == told
        assert not told or "was measured with avx512_vnni, which this processor lacks" in warnings[0]


@pytest.mark.parametrize("runtime", runtimes.OF_FILES)
@pytest.mark.parametrize("name", ["CNNScratch", INT8])
def test_one_answer_for_everything_is_refused(
    name: str, runtime: str, judged_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mean of the check's own logits: nothing that does not look at the picture comes nearer."""
    deployed = read(judged_run / "artifacts" / name)
    mean = torch.tensor(deployed.card.check_logits).mean(0)
    monkeypatch.setattr(Runtime, "__call__", lambda self, inputs: mean.expand(len(inputs), -1))
    with pytest.raises(GateError, match=r"does not give what it gave .*, one by one, differ by"):
        deployed.open(runtime, threads=1)


def test_photos_that_change_each_other_are_noticed_where_it_is_made_and_opened(
    judged_run: Path, drawn_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A runtime that gives all photos of a call the first one's answer."""
    plain = Runtime.__call__
    monkeypatch.setattr(Runtime, "__call__", lambda self, inputs: plain(self, inputs[:1]).expand(len(inputs), -1))
    with pytest.raises(GateError, match="check inputs, in one call"):
        read(judged_run / "artifacts/CNNScratch").open("openvino", threads=1)
    with pytest.raises(GateError, match="CNNScratch on openvino in batches of another size"):
        judged(drawn_photos, tmp_path)


def test_fewer_int8_layers_than_there_are_told(judged_run: Path, drawn_photos: Path, tmp_path: Path) -> None:
    copied = changed(judged_run / "artifacts" / INT8, tmp_path / "other", layers={"openvino": "99/99"})
    told: list[str] = []
    list(api.predict(copied, [str(drawn_photos / "val")], runtime="openvino", threads=1, say=told.append))
    (warning,) = [text for text in told if text.startswith("warning: ")]
    assert f"layers of {INT8} in int8 here, and 99/99 where it was made" in warning
    result = api.bench([copied], runtime="openvino", threads=1, samples=4, say=quiet)
    assert warning.removeprefix("warning: ") in result.warnings
    told.clear()
    list(api.predict(judged_run / "artifacts" / INT8, [str(drawn_photos / "val")], runtime="openvino", say=told.append))
    assert told == []


def test_a_layer_that_did_not_get_into_the_graph_is_missed(drawn_photos: Path, tmp_path: Path) -> None:
    network, task = scratch(drawn_photos)
    prepared = pt2e.prepare_static(pt2e.export_graph(network, SMALL.input_shape))
    pt2e.calibrate(prepared, task.inputs[:])
    more = nn.Sequential(network, nn.Linear(2, 2)).eval()
    subject = Subject(name="x-int8", seed=0, parent=None, backbone="CNNScratch", how="", engine="pt2e")
    layers = len(layer_macs(network, SMALL.input_shape))
    with pytest.raises(GateError, match=f"only {layers} of {layers + 1} convolution and linear layers of x-int8"):
        AssemblyLine(RunDir(tmp_path), threads=1).judge_pt2e(pt2e.convert(prepared), more, task, subject)


def test_a_network_that_answers_otherwise_here_is_refused(judged_run: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(judged_run / "artifacts/CNNScratch", tmp_path / "other"))
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


class Chain(nn.Module):
    """Two convolutions in a row: ONNX Runtime has no int8 kernel for the first if the second is float."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.fc = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(4, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.fc(self.second(self.first(images)).relu().mean([2, 3]))
        return logits


def test_a_runtime_without_the_int8_kernel_is_refused_by_the_layer_and_the_other_stays(
    drawn_photos: Path, tmp_path: Path
) -> None:
    _, task = scratch(drawn_photos)
    torch.manual_seed(0)
    network = Chain().eval()
    prepared = pt2e.prepare_static(pt2e.export_graph(network, SMALL.input_shape), floating=["second"])
    pt2e.calibrate(prepared, task.inputs[:])
    subject = Subject(name="x-int8", seed=0, parent=None, backbone="CNNScratch", how="", engine="pt2e")
    line = AssemblyLine(RunDir(tmp_path), threads=1)
    variant = line.judge_pt2e(pt2e.convert(prepared), network, task, subject, floating=["second"])
    assert variant.gates["int8_compiled"] == "2/3"
    assert "only 1 of 2 " in variant.gates["refused_onnxruntime"]
    assert "float is first" in variant.gates["refused_onnxruntime"]


def test_batches_that_cost_pictures_on_one_runtime_refuse_that_one(
    drawn_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lossy(*logits: torch.Tensor, int8: bool, name: str) -> tuple[int, float]:
        if name.endswith("onnxruntime in batches of another size"):
            raise AccuracyError(f"the exported {name} classifies 3 of 10 pictures correctly, the network 5")
        return require_parity(*logits, int8=int8, name=name)

    monkeypatch.setattr("petiole.variants.require_parity", lossy)
    gates = judged(drawn_photos, tmp_path).gates
    assert "in batches of another size classifies 3" in gates["refused_onnxruntime"]
    assert "parity_flips_onnxruntime" not in gates


def test_layers_that_cannot_be_counted_keep_nobody_from_predicting(
    judged_run: Path, drawn_photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.mkdtemp", full)
    photos = str(drawn_photos / "val")
    rows = api.predict(judged_run / "artifacts" / INT8, [photos], runtime="onnxruntime", threads=1, say=quiet)
    assert all(row.why is None for row in rows)


def test_check_inputs_without_a_number_make_no_artifact(
    drawn_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("petiole.deploy.check.choose", lambda answers: [0] * 8)
    monkeypatch.setattr(Runtime, "one_by_one", lambda self, inputs: torch.full((len(inputs), 2), torch.nan))
    with pytest.raises(GateError, match="CNNScratch answers some of the check inputs with what is no number"):
        judged(drawn_photos, tmp_path)


def test_answers_of_another_number_than_declared_are_refused(judged_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Runtime, "__call__", lambda self, inputs: torch.zeros(2 * len(inputs), 2))
    with pytest.raises(GateError, match="differ by inf of what they owe"):
        read(judged_run / "artifacts/CNNScratch").open("openvino", threads=1)


def test_what_was_written_is_read_back(drawn_photos: Path, tmp_path: Path) -> None:
    gates = judged(drawn_photos, tmp_path).gates
    files = {path.name for path in (tmp_path / "artifacts/CNNScratch").iterdir()}
    assert files == {"artifact.json", "model.onnx", "weights.safetensors"}
    assert (gates["checksums"], gates["class_order"]) == ("2/2", True)


def _reversed_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = artifact.label_model
    monkeypatch.setattr(artifact, "label_model", lambda path, classes, how: plain(path, classes[::-1], how))


def _a_byte_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = artifact.write_card

    def write(directory: Path, **content: object) -> None:
        plain(directory, **content)
        with (directory / artifact.WEIGHTS).open("ab") as file:
            file.write(b"\0")

    monkeypatch.setattr(artifact, "write_card", write)


@pytest.mark.parametrize(
    ("harm", "told"),
    [(_reversed_classes, "the classes of .* are not those of"), (_a_byte_too_many, "its checksum differs")],
)
def test_an_artifact_that_is_not_what_was_written_is_none(
    harm: Callable[[pytest.MonkeyPatch], None], told: str, drawn_photos: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    harm(monkeypatch)
    with pytest.raises(GateError, match=f"the artifact of CNNScratch, read back, is not what was written: .*{told}"):
        judged(drawn_photos, tmp_path)
    assert not (tmp_path / "artifacts/CNNScratch").exists()


def test_weights_of_quantization_aware_training_are_told_as_such(judged_run: Path, tmp_path: Path) -> None:
    plan = {"quantization": {"how": "qat"}}
    copied = changed(judged_run / "artifacts" / INT8, tmp_path / "qat", plan=plan, parent="CNNScratch")
    with pytest.raises(UserError, match=r"quantization-aware training, .* was made of \(CNNScratch\)"):
        api.network(copied)


@pytest.mark.parametrize("without", [torch.no_grad, torch.inference_mode])
def test_a_network_to_train_is_made_where_no_gradients_are_kept(without: type, judged_run: Path) -> None:
    with without():
        network = api.network(judged_run / "artifacts/CNNScratch")
    network(torch.zeros(1, *SMALL.input_shape)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
