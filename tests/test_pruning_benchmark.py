"""``benchmarks/pruning.py``: its manners, and the accuracy beside its times."""

import argparse
import importlib
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from petiole.data.augment import Views
from petiole.data.folder import open_photos
from petiole.models import backbones
from petiole.stats import wilson
from petiole.training.evaluate import predict

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "pruning.py"
BACKBONE = "mobilenet_v3_small"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, which trains little and times nothing."""
    monkeypatch.syspath_prepend(SCRIPT.parent)
    module = importlib.import_module("pruning")
    monkeypatch.setattr(module, "EPOCHS", 2)
    monkeypatch.setattr(module, "measure", lambda calls, **_: dict.fromkeys(calls, [1.0] * module.ROUNDS))
    return module


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--backbone", "resnet19"], "unknown backbone 'resnet19': choose from"),
        (["--macs", "0.5", "1.5"], "--macs 1.5 is not between 0 and 1"),
        (["--photos", "0"], "--photos 0 is too few: give 1 or more"),
        (["--data", "nowhere"], "no such folder: nowhere"),
        (["--weights", "x.pth"], "--weights x.pth is of one network: name it with --backbone"),
        (["--weights", "x.pth", "--backbone", "resnet18"], "no such weights file: x.pth"),
    ],
)
def test_a_wrong_option_is_one_sentence_and_exit_2(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert done.stderr.startswith(f"pruning.py: {sentence}")


def test_accuracy_is_that_of_the_network_that_is_timed(
    script: ModuleType, drawn_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole network's against torch's own, and the interval's ends against Wilson's formula."""
    state = backbones.find(BACKBONE).build().state_dict()
    photos = open_photos(drawn_photos, source="given", synthetic=False, seed=0)
    subject = script.prepared(BACKBONE, state, photos, argparse.Namespace(photos=8, data=drawn_photos))
    assert len(subject.labels) == len(subject.choosing) == 8
    networks = dict(script.variants(subject, [0.5]))
    script.table(subject, networks, tmp_path, threads=1, samples=1)
    printed = capsys.readouterr().out
    labels = photos.test.labels
    found = predict(networks["whole"], Views(photos.test, subject.backbone.preprocessing), labels)
    right, total = int(found.right.sum()), len(labels)
    low, high = wilson(right, total)
    rows = re.findall(r"^(.{28}) .*?(\d+) of (\d+) \((\S+)%-(\S+)%\)", printed, re.MULTILINE)
    assert [row[0].strip() for row in rows] == list(networks) * 2, "as float, then as int8"
    assert rows[0][1:] == (str(right), str(total), f"{low:.1%}"[:-1], f"{high:.1%}"[:-1])


@pytest.mark.parametrize(
    ("state", "data", "why"),
    [
        (None, Path("photos"), "no weights"),
        ({}, None, r"no photos \(give --data\)"),
        (None, None, r"no weights and no photos \(give --data\)"),
    ],
)
def test_what_is_not_measured_is_told(
    script: ModuleType, drawn_photos: Path, state: object, data: Path | None, why: str
) -> None:
    photos = open_photos(drawn_photos, source="synthetic", synthetic=True, seed=0)
    subject = script.prepared(BACKBONE, state, photos, argparse.Namespace(photos=8, data=data))
    assert re.fullmatch(f"not measured: {why}", subject.unjudged)
    assert script.judged(subject, Path("never opened"), 1) == "-"
    network = torch.nn.Linear(2, 2)
    assert script.with_output_layer(subject, network) is network, "nothing is trained for nothing"
