"""An artifact to damage: LeNet with random weights, and the seals put on again after the harm."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from petiole.bench.machine import describe
from petiole.deploy import artifact, check
from petiole.deploy.export import OnnxExporter
from petiole.deploy.runtimes import of_file
from petiole.download import sha256_of
from petiole.preprocessing import DIGITS

CLASSES = tuple("0123456789")


def write_lenet(directory: Path, lenet: nn.Module) -> Path:
    """The artifact of ``lenet`` in a new directory."""
    directory.mkdir()
    OnnxExporter().export(lenet, DIGITS.input_shape, directory / "model.onnx")
    artifact.label_model(directory / "model.onnx", CLASSES, DIGITS)
    artifact.save_weights(lenet.state_dict(), directory)
    runtime = of_file("openvino", directory / "model.onnx", threads=1)
    logits = runtime.one_by_one(torch.from_numpy(check.draw(DIGITS, range(check.IMAGES))))
    artifact.write_card(
        directory, name="LeNet", architecture="LeNet", classes=CLASSES, preprocessing=DIGITS, engine="torch",
        parent=None, weights="from scratch", measured_on=describe(1),
        check_seeds=range(check.IMAGES), check_logits=logits.tolist(), logits_digest=artifact.logits_digest(logits),
    )  # fmt: skip
    return directory


def edit(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    """Harm that changes the card and seals it again, as somebody with bad intentions would."""

    def damage(directory: Path) -> None:
        content = json.loads((directory / "artifact.json").read_text(encoding="utf-8"))
        change(content)
        (directory / "artifact.json").write_text(artifact.sealed(content), encoding="utf-8")

    return damage


def vouch(directory: Path) -> None:
    """Write the checksums of the files as they are now into the card."""
    edit(lambda card: card.update(sha256={name: sha256_of(directory / name) for name in card["sha256"]}))(directory)
