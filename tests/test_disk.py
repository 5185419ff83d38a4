"""A disk that is full or cannot be written: one sentence, and what was there before is whole. On a small tmpfs, where
this user may mount one (root ignores permissions, so that folders without them would show nothing)."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from petiole import api
from petiole.data.pixels import Pixels
from petiole.deploy.artifact import load_weights, save_weights
from petiole.errors import UserError
from petiole.lab.config import LabConfig
from petiole.lab.run import run_lab
from petiole.recipes import quick
from petiole.rundir import RunDir
from petiole.search.ledger import Ledger, Space, study_errors
from petiole.search.recipe import Recipe
from petiole.training import checkpoint
from petiole.training.checkpoint import Checkpoint, Moment
from petiole.writing import write_atomic

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


KB = 1024


class Disk:
    """A file system of its own, ``size_kb`` large."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def mount(self, options: str) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.path)], check=True)

    def resize(self, size_kb: int) -> None:
        """Make it larger or smaller; what is in it stays."""
        subprocess.run(["mount", "-o", f"remount,size={size_kb}k", str(self.path)], check=True)

    def fill(self) -> None:
        """Leave no byte."""
        with (self.path / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"0" * KB)
        assert shutil.disk_usage(self.path).free == 0

    def protect(self) -> None:
        """Make it read-only."""
        subprocess.run(["mount", "-o", "remount,ro", str(self.path)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A tmpfs of 1 MB."""
    made = Disk(tmp_path / "disk")
    made.path.mkdir()
    try:
        made.mount(f"size={KB}k")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this user may not mount a tmpfs")
    yield made
    subprocess.run(["umount", "--lazy", str(made.path)], check=True)


def test_a_full_disk_leaves_the_old_file(disk: Disk) -> None:
    target = disk.path / "results.json"
    write_atomic(target, "old")
    disk.fill()
    with pytest.raises(UserError, match=rf"cannot write {target}: no space left on the disk: free some, or choose"):
        write_atomic(target, "new" * 4 * KB)
    assert target.read_text() == "old"
    assert sorted(path.name for path in disk.path.iterdir()) == ["filler", "results.json"]


def test_a_full_disk_leaves_the_old_artifact(disk: Disk) -> None:
    run = RunDir(disk.path)
    weights = {"weight": torch.arange(1000.0)}
    with run.replacing(run.artifact("LeNet")) as fresh:
        save_weights(weights, fresh)
    disk.fill()
    with pytest.raises(UserError, match="no space left"), run.replacing(run.artifact("LeNet")) as fresh:
        save_weights({"weight": torch.arange(1e6)}, fresh)
    assert torch.equal(load_weights(run.artifact("LeNet"))["weight"], weights["weight"])
    assert [path.name for path in (disk.path / "artifacts").iterdir()] == ["LeNet"]


def test_a_full_disk_leaves_the_old_checkpoint(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)
    network = nn.Linear(1000, 10)

    def kept(step: int) -> tuple[Checkpoint, Moment]:
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        moment = Moment(network=network, optimizer=optimizer, generator=torch.Generator(), step=step)
        return Checkpoint(directory=disk.path, name="training", basis=0, say=lambda _: None), moment

    one, moment = kept(0)
    one.begin(moment, config=0, teacher=None)
    moment.step = 5
    one.keep(moment, ended=False)
    disk.fill()
    moment.step = 6
    with pytest.raises(UserError, match="no space left"):
        one.keep(moment, ended=False)
    again, fresh = kept(0)
    again.begin(fresh, config=0, teacher=None)
    assert fresh.step == 5


def test_a_lab_on_a_full_disk_goes_on_when_there_is_space(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CNNScratch is trained, then its artifact does not fit; on a larger disk the same call ends the run."""
    monkeypatch.setattr(checkpoint, "EVERY_S", 1e9)
    config = LabConfig(
        data=api.draw(tmp_path / "photos", count=20), offline=True, backbone="efficientnet_lite0", stages=("scratch",),
        out=disk.path / "out", effort=quick().model_copy(update={"scratch_epochs": 1}),
    )  # fmt: skip
    lab = partial(run_lab, config, command="", say=lambda _: None, progress=False)
    with pytest.raises(UserError, match=r"cannot write .*out/artifacts/CNNScratch: no space left on the disk"):
        lab()
    assert not (disk.path / "out" / "results.json").exists()
    assert [*disk.path.rglob(".*.unfinished")] == []
    disk.resize(64 * KB)
    results = lab()
    assert [row.name for row in results.variants] == ["CNNScratch"]
    assert results.failures == []


def test_a_study_on_a_full_disk_is_told_and_keeps_what_was_tried(disk: Disk) -> None:
    url = f"sqlite:///{disk.path / 'study.db'}"
    space: Space = {
        "backbone": ["resnet18"],
        "size_px": [64, 96],
        "macs": [0.5],
        "amount": [0.0],
        "quantization": ["static"],
    }

    def ledger() -> Ledger:
        return Ledger(url, "first", space, seed=0, worker="this")

    def recipe(size_px: int) -> Recipe:
        return Recipe(backbone="resnet18", size_px=size_px, macs=0.5)

    study = ledger()
    claim = study.claim(recipe(64))
    assert claim is not None
    study.finish(claim, (0.1, 0.2), {"right": 7})
    disk.fill()
    message = r"the study sqlite:.*study\.db cannot be used any more \(.*\): free some space"
    with pytest.raises(UserError, match=message), study_errors(url):
        all(study.claim(recipe(96)) or True for _ in range(100))  # there is room left in the database's last page
    (disk.path / "filler").unlink()
    assert [(each.recipe, each.found) for each in ledger().finished()] == [(recipe(64), {"right": 7})]


@pytest.mark.parametrize("name", ["out", "new"])
def test_a_read_only_output_is_refused_before_anything_is_trained(name: str, disk: Disk, tmp_path: Path) -> None:
    (disk.path / "out").mkdir()
    (disk.path / "out" / "results.json").write_text("old")
    disk.protect()
    photos, out, said = api.draw(tmp_path / "photos", count=8), disk.path / name, list[str]()
    for run in (partial(api.lab, data=photos), partial(api.compress, photos)):
        with pytest.raises(UserError) as refused:
            run(out=out, offline=True, say=said.append)
        assert str(refused.value) == f"cannot write {out}: the place is read-only: choose another --out"
    assert said == []
    assert (disk.path / "out" / "results.json").read_text() == "old"


def test_many_pictures_need_a_cache_that_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is in the place of the cache's folder."""
    (tmp_path / "cache").write_text("in the way")
    monkeypatch.setenv("PETIOLE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UserError, match=r"cannot write .*cache \(.*\): set PETIOLE_CACHE"):
        Pixels.pack([np.zeros((4, 4, 3), np.uint8)], memory_bytes=10)
    assert (tmp_path / "cache").read_text() == "in the way"


def test_a_cache_that_fills_up_is_told(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PETIOLE_CACHE", str(disk.path / "cache"))
    with pytest.raises(UserError, match=r"cannot write .*cache \(no space left on device\): set PETIOLE_CACHE"):
        Pixels.pack((np.zeros((100, 1000, 3), np.uint8) for _ in range(10)), memory_bytes=10)
    assert [*(disk.path / "cache").iterdir()] == []


def test_photos_are_drawn_into_the_run_where_the_cache_cannot_be_written(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.protect()
    monkeypatch.setenv("PETIOLE_CACHE", str(disk.path / "cache"))
    results = api.lab(
        data=Path("synthetic"), count=20, offline=True, profile="quick", backbone="efficientnet_lite0",
        stages=("demos",), out=tmp_path / "out", say=lambda _: None,
    )  # fmt: skip
    assert results.failures == []
    assert set(os.listdir(tmp_path / "out")) >= {"results.json", "report.html"}
