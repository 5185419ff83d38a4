"""Artifacts: written and read back, and refused when they are not what was made."""

import errno
import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from artifacts import edit, vouch, write_lenet
from petiole.deploy import artifact
from petiole.errors import UserError
from petiole.preprocessing import DIGITS


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, lenet: nn.Module) -> Path:
    return write_lenet(tmp_path_factory.mktemp("made") / "LeNet", lenet)


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copied"))


def test_what_was_written_is_read(made: Path, lenet: nn.Module) -> None:
    card = artifact.read_card(made)
    assert (card.name, card.classes, card.preprocessing, card.is_int8) == ("LeNet", tuple("0123456789"), DIGITS, False)
    for name, tensor in artifact.load_weights(made).items():
        assert torch.equal(tensor, lenet.state_dict()[name])


def _truncate(name: str, *, vouched: bool = False) -> Callable[[Path], object]:
    def damage(directory: Path) -> None:
        (directory / name).write_bytes((directory / name).read_bytes()[:-9])
        if vouched:
            vouch(directory)

    return damage


def _write(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda directory: (directory / name).write_bytes(content)


def _model(change: Callable[[onnx.ModelProto], object], *, vouched: bool = True) -> Callable[[Path], object]:
    def damage(directory: Path) -> None:
        model = onnx.load(str(directory / "model.onnx"))
        change(model)
        (directory / "model.onnx").write_bytes(model.SerializeToString())
        if vouched:
            vouch(directory)

    return damage


def _empty_weights(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].raw_data = bytes(len(model.graph.initializer[0].raw_data))


def _outside(tensor: onnx.TensorProto) -> onnx.TensorProto:
    """The same tensor, its values in a file outside of the directory."""
    onnx.external_data_helper.set_external_data(tensor, location="../../secret", offset=0, length=4)
    tensor.ClearField("raw_data")
    return tensor


def _constant_outside(model: onnx.ModelProto) -> None:
    """In a branch of an If, two graphs deep: no list of weights has it."""
    tensor = _outside(onnx.numpy_helper.from_array(np.zeros(1, np.float32), "hidden"))
    constant = onnx.helper.make_node("Constant", [], ["c"], value=tensor)
    branch = onnx.helper.make_graph([constant], "branch", [], [])
    model.graph.node.append(onnx.helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch))


def _whole_numbers(model: onnx.ModelProto) -> None:
    model.graph.node[-1].output[0] = "before"
    model.graph.node.append(onnx.helper.make_node("Cast", ["before"], ["logits"], to=onnx.TensorProto.BOOL))
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.BOOL


def _link(directory: Path) -> None:
    (directory / "weights.safetensors").rename(directory.parent / "elsewhere")
    (directory / "weights.safetensors").symlink_to(directory.parent / "elsewhere")


CHANNELS: dict[str, Any] = {"pruning": {"channels": [["conv1", [-1]]]}}
DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no card": (lambda d: (d / "artifact.json").unlink(), "is no artifact"),
    "card cut short": (_truncate("artifact.json"), r"artifact\.json is damaged"),
    "card no text": (_write("artifact.json", b"\xff\xfe\xfd"), r"artifact\.json is damaged"),
    "card without end": (_write("artifact.json", b"[" * 100_000), r"artifact\.json is damaged"),
    "card of digits": (_write("artifact.json", b"9" * 10_000), r"artifact\.json is damaged"),
    "another file": (edit(lambda c: c.update(format="x")), "does not describe a Petiole artifact"),
    "one word changed": (
        lambda d: (d / "artifact.json").write_text(
            (d / "artifact.json").read_text().replace("from scratch", "pretrained")
        ),
        r"artifact\.json is not the file that was made",
    ),
    "newer version": (edit(lambda c: c.update(version=99)), "of version 99, and this Petiole reads version 2"),
    "a class twice": (edit(lambda c: c.update(classes=[c["classes"][0]] * len(c["classes"]))), "names a class twice"),
    "value of a wrong kind": (edit(lambda c: c.update(classes=3)), r"damaged \(classes: "),
    "channels below zero": (edit(lambda c: c.update(plan=CHANNELS)), r"damaged \(plan"),
    "plan of a wrong kind": (edit(lambda c: c.update(plan={"pruning": 3})), r"damaged \(plan"),
    "pictures without end": (
        edit(lambda c: c["preprocessing"].update(size_px=10**9)),
        r"damaged \(preprocessing\.size",
    ),
    "means of two channels": (edit(lambda c: c["preprocessing"].update(mean=[0.5] * 2)), r"damaged \(preprocessing"),
    "division by zero": (edit(lambda c: c["preprocessing"].update(std=[0.0])), r"damaged \(preprocessing\.std"),
    "model cut short": (_truncate("model.onnx"), r"model\.onnx is not the file that was made"),
    "model cut short, vouched": (_truncate("model.onnx", vouched=True), r"model\.onnx is damaged"),
    "weights missing": (lambda d: (d / "weights.safetensors").unlink(), r"weights\.safetensors is missing"),
    "weights are a link": (_link, r"names weights\.safetensors, which is no file of the directory"),
    "another model": (_model(_empty_weights, vouched=False), r"model\.onnx is not the file that was made"),
    "weights outside": (_model(lambda m: _outside(m.graph.initializer[0])), "in another file, which nothing vouches"),
    "a constant outside": (_model(_constant_outside), "keeps hidden in another file, which nothing vouches"),
    "classes swapped": (edit(lambda c: c["classes"].reverse()), "the classes of .* are not those of"),
    "another mean": (edit(lambda c: c["preprocessing"].update(mean=[0.5])), "the preprocessing of .* are not those"),
    "another network": (_model(lambda m: m.graph.output.pop()), r"model\.onnx takes and gives"),
    "no checksum": (edit(lambda c: c["sha256"].pop("model.onnx")), r"names no model\.onnx"),
    "no state": (edit(lambda c: c.update(engine="eager")), r"names no state\.pth"),
    "outside": (edit(lambda c: c["sha256"].update({"../x": "0"})), r"names \.\./x, which is no file of the directory"),
    "a name without end": (edit(lambda c: c["sha256"].update({"x" * 999: "0"})), "x is missing"),
    "parent outside": (edit(lambda c: c.update(parent="../x")), r"names the parent \.\./x, which is no name"),
    "answers that are no float32": (_model(_whole_numbers), "or other numbers than float32"),
    "a name that is no text": (edit(lambda c: c.update(name="\ud800")), r"artifact\.json is damaged"),
    "layers that are no count": (edit(lambda c: c.update(layers={"openvino": "all"})), r"damaged \(layers\.openvino"),
    "more layers than all": (edit(lambda c: c.update(layers={"torch": "9/5"})), "9/5 is more than all"),
    "ragged check": (edit(lambda c: c["check_logits"][3].pop()), "are not one for each class"),
    "another check": (edit(lambda c: c["check_logits"][3].reverse()), "are not those that were written"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_told_by_the_file(damage: str, copied: Path) -> None:
    artifact.read_card(copied)
    harm, message = DAMAGES[damage]
    harm(copied)
    with pytest.raises(UserError, match=message) as caught:
        artifact.read_card(copied)
    assert str(copied) in str(caught.value)


@pytest.mark.parametrize("name", ["artifact.json", "model.onnx", "weights.safetensors"])
def test_files_that_may_not_be_read_are_named(name: str, copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = io.open

    def refusing(file: Any, *args: Any, **kwargs: Any) -> Any:
        if Path(file).name == name:
            raise PermissionError(errno.EACCES, "Permission denied", str(file))
        return opened(file, *args, **kwargs)

    monkeypatch.setattr(io, "open", refusing)  # as for somebody who is not root
    with pytest.raises(UserError, match=rf"{copied}/{name} cannot be read \(permission denied\)"):
        artifact.read_card(copied)


@pytest.mark.parametrize("why", ["missing", "damaged"])
def test_weights_that_cannot_be_read_are_named(why: str, tmp_path: Path) -> None:
    if why == "damaged":
        (tmp_path / "weights.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{")
    with pytest.raises(UserError, match=rf"weights\.safetensors is {why}") as caught:
        artifact.load_weights(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_file_in_place_of_its_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "artifact.json").touch()
    with pytest.raises(UserError, match=r"artifact\.json is no artifact: that is a file; give its directory"):
        artifact.read_card(tmp_path / "artifact.json")


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone is no artifact: there is no such directory; artifacts are"):
        artifact.read_card(tmp_path / "gone")
    with pytest.raises(UserError, match=r"is no artifact: it has no artifact\.json; artifacts are"):
        artifact.read_card(tmp_path)
