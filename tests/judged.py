"""A small network as the lab judges it, float and in int8, for tests of what becomes of artifacts."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch

from petiole.data.augment import centre_views, normalize
from petiole.data.folder import open_photos
from petiole.deploy.artifact import sealed
from petiole.models.scratch import CNNScratch
from petiole.preprocessing import SMALL
from petiole.quantization import pt2e
from petiole.records import Variant
from petiole.rundir import RunDir
from petiole.variants import AssemblyLine, Subject, Task

INT8 = "CNNScratch-static-int8"


def quiet(text: str) -> None:
    """Nobody listens."""


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


def changed(artifact: Path, copy: Path, **changes: Any) -> Path:
    """A copy whose card says otherwise; what is a dictionary there is changed key by key."""
    shutil.copytree(artifact, copy)
    card = json.loads((copy / "artifact.json").read_text())
    for key, value in changes.items():
        card[key] = {**card[key], **value} if isinstance(card[key], dict) else value
    (copy / "artifact.json").write_text(sealed(card))
    return copy


def judge_both(photos: Path, out: Path) -> None:
    """A run directory with a CNNScratch (random weights) and its static quantization, judged as in the lab."""
    judged(photos, out)
    network, task = scratch(photos)
    prepared = pt2e.prepare_static(pt2e.export_graph(network, SMALL.input_shape))
    pt2e.calibrate(prepared, task.inputs[:])
    subject = Subject(
        name=INT8, seed=0, parent="CNNScratch", backbone="CNNScratch", how="", engine="pt2e", plan={"quantization": {}}
    )
    AssemblyLine(RunDir(out), threads=1).judge_pt2e(pt2e.convert(prepared), network, task, subject)
