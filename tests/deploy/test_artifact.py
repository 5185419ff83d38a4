"""Artifacts: written and read back, and refused when they are not what was made."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from petiole.bench.machine import describe
from petiole.deploy import artifact
from petiole.deploy.export import OnnxExporter
from petiole.deploy.runtimes import of_file
from petiole.errors import UserError
from petiole.preprocessing import DIGITS, LITE


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, lenet: nn.Module) -> Path:
    directory = tmp_path_factory.mktemp("made") / "LeNet"
    directory.mkdir()
    classes = tuple("0123456789")
    OnnxExporter().export(lenet, DIGITS.input_shape, directory / "model.onnx")
    artifact.label_model(directory / "model.onnx", classes, DIGITS)
    artifact.save_weights(lenet.state_dict(), directory)
    runtime = of_file("openvino", directory / "model.onnx", threads=1)
    logits = runtime(torch.from_numpy(artifact.check_inputs(DIGITS)))
    artifact.write_card(
        directory, name="LeNet", architecture="LeNet", classes=classes, preprocessing=DIGITS, engine="torch",
        parent=None, weights="from scratch", measured_on=describe(1), check_logits=logits.tolist(),
        logits_digest=artifact.logits_digest(logits),
    )  # fmt: skip
    return directory


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copied"))


def test_what_was_written_is_read(made: Path, lenet: nn.Module) -> None:
    card = artifact.read_card(made)
    assert (card.name, card.classes, card.preprocessing, card.is_int8) == ("LeNet", tuple("0123456789"), DIGITS, False)
    for name, tensor in artifact.load_weights(made).items():
        assert torch.equal(tensor, lenet.state_dict()[name])


def test_check_inputs_are_the_same_everywhere() -> None:
    """Three bytes of the raw stream of PCG64 with seed 0, worked out apart from the code."""
    first = artifact.check_inputs(LITE)
    assert first.shape == (8, 3, 224, 224)
    byte = np.random.PCG64(0).random_raw() >> 56
    assert byte == 163
    assert first[0, 0, 0, 0] == pytest.approx((163 / 255 - 127 / 255) / (128 / 255), rel=1e-6)
    assert np.ptp(first[0, 0, :32, :32]) == 0  # one patch
    assert first.std() > 0.3
    assert np.array_equal(first[:1], artifact.check_inputs(LITE, 1))


def _edit(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def damage(directory: Path) -> None:
        content = json.loads((directory / "artifact.json").read_text())
        change(content)
        (directory / "artifact.json").write_text(artifact.sealed(content))

    return damage


def _truncate(name: str) -> Callable[[Path], object]:
    return lambda directory: (directory / name).write_bytes((directory / name).read_bytes()[:-9])


def _swap_model(directory: Path) -> None:
    model = onnx.load(str(directory / "model.onnx"))
    onnx.save(model, str(directory / "model.onnx"))
    (directory / "model.onnx").write_bytes((directory / "model.onnx").read_bytes() + b"")
    model.graph.initializer[0].raw_data = bytes(len(model.graph.initializer[0].raw_data))
    onnx.save(model, str(directory / "model.onnx"))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no card": (lambda d: (d / "artifact.json").unlink(), "is no artifact"),
    "card cut short": (_truncate("artifact.json"), r"artifact\.json is damaged"),
    "another file": (_edit(lambda c: c.update(format="x")), "does not describe a Petiole artifact"),
    "one word changed": (
        lambda d: (d / "artifact.json").write_text(
            (d / "artifact.json").read_text().replace("from scratch", "pretrained")
        ),
        r"artifact\.json is not the file that was made",
    ),
    "newer version": (_edit(lambda c: c.update(version=99)), "of version 99, and this Petiole reads version 1"),
    "value of a wrong kind": (_edit(lambda c: c.update(classes=3)), r"damaged \(classes: "),
    "model cut short": (_truncate("model.onnx"), r"model\.onnx is not the file that was made"),
    "weights missing": (lambda d: (d / "weights.safetensors").unlink(), r"weights\.safetensors is missing"),
    "another model": (_swap_model, r"model\.onnx is not the file that was made"),
    "classes swapped": (_edit(lambda c: c["classes"].reverse()), "the classes of .* are not those of"),
    "another mean": (_edit(lambda c: c["preprocessing"].update(mean=[0.5])), "the preprocessing of .* are not those"),
    "no checksum": (_edit(lambda c: c["sha256"].pop("model.onnx")), r"names no model\.onnx"),
    "outside": (_edit(lambda c: c["sha256"].update({"../x": "0"})), r"names \.\./x, which is no file of the directory"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_told_by_the_file(damage: str, copied: Path) -> None:
    artifact.read_card(copied)
    harm, message = DAMAGES[damage]
    harm(copied)
    with pytest.raises(UserError, match=message):
        artifact.read_card(copied)
