"""A stored network is read back if it is as it was written; else it is made again, and that is said."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from petiole.chain.config import ChainConfig
from petiole.models import backbones
from petiole.rundir import RunDir
from petiole.search import candidate
from petiole.search.candidate import MADE, Built, build
from petiole.search.part import Part
from petiole.search.recipe import Recipe

RECIPE = Recipe(backbone="efficientnet_lite0", size_px=64, quantization="none")


class Making:
    """Stands in for the training: a new network each time, with other weights."""

    def __init__(self) -> None:
        self.count = 0

    def whole(self, part: Part, recipe: Recipe) -> Built:
        self.count += 1
        backbone = backbones.find(recipe.backbone).at(recipe.size_px)
        network = backbones.adapt(backbone, None, classes=2, seed=self.count).eval()
        return Built(network=network, plan=[], train=None, seconds=0.0)


@pytest.fixture
def making(monkeypatch: pytest.MonkeyPatch) -> Making:
    stand_in = Making()
    monkeypatch.setattr(candidate, "_whole", stand_in.whole)
    return stand_in


def a_part(folder: Path, said: list[str]) -> Part:
    split = SimpleNamespace(labels=[0, 1])
    photos: Any = SimpleNamespace(digest="d", train=split, test=split, record=SimpleNamespace(classes=["a", "b"]))
    return Part(
        rundir=RunDir(folder), photos=photos, weights={}, config=ChainConfig(), retrains=False, threads=1, seed=0,
        say=said.append,
    )  # fmt: skip


def rewritten(folder: Path, **changes: Any) -> None:
    content = json.loads((folder / MADE).read_text(encoding="utf-8"))
    (folder / MADE).write_text(json.dumps({**content, **changes}), encoding="utf-8")


def flipped(folder: Path) -> None:
    path = folder / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "one bit of the weights": flipped,
    "no weights": lambda folder: (folder / "weights.safetensors").unlink(),
    "another plan": lambda folder: rewritten(folder, plan=[["conv_stem", [0]]]),
    "another checksum": lambda folder: rewritten(folder, sha256="0" * 64),
    "cut short": lambda folder: (folder / MADE).write_bytes((folder / MADE).read_bytes()[:20]),
    "no object": lambda folder: (folder / MADE).write_text("[]"),
    "deep": lambda folder: (folder / MADE).write_text("[" * 100_000),
}


def test_a_network_is_made_once_and_read_back(making: Making, tmp_path: Path) -> None:
    said: list[str] = []
    made, again = build(a_part(tmp_path, said), RECIPE), build(a_part(tmp_path, said), RECIPE)
    assert (making.count, said) == (1, [])
    for name, tensor in made.network.state_dict().items():
        assert torch.equal(again.network.state_dict()[name], tensor), name


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_network_is_made_again(damage: Callable[[Path], object], making: Making, tmp_path: Path) -> None:
    said: list[str] = []
    part, folder = a_part(tmp_path, said), tmp_path / "networks" / RECIPE.name
    build(part, RECIPE)
    damage(folder)
    again = build(part, RECIPE)
    assert making.count == 2
    assert said == [f"warning: {folder} is damaged: {RECIPE.name} is made again"]
    read = build(part, RECIPE).network.state_dict()
    assert making.count == 2, "it is whole again"
    assert all(torch.equal(read[name], tensor) for name, tensor in again.network.state_dict().items())
