"""The gate of transfer: only the output layer may have changed."""

from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import nn

from petiole import api
from petiole.chain import transfer
from petiole.chain.bench import PhotoBench
from petiole.chain.config import ChainConfig, ChainEffort
from petiole.data.folder import open_photos
from petiole.errors import GateError
from petiole.models.backbones import Backbone
from petiole.models.weights import Weights
from petiole.preprocessing import Preprocessing
from petiole.rundir import RunDir
from petiole.training import checkpoint
from petiole.training.fit import FitConfig, fit

SMALLER = Preprocessing(size_px=16, resize_px=16, mean=(0.5,) * 3, std=(0.5,) * 3)


class Tiny(nn.Module):
    """A frozen convolution with BatchNorm, and an output layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.fc = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """``(N, 2)``."""
        logits: torch.Tensor = self.fc(self.norm(self.conv(images)).mean((2, 3)))
        return logits


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> PhotoBench:
    root = api.draw(tmp_path_factory.mktemp("photos") / "drawn", count=24)
    return PhotoBench(
        config=ChainConfig(effort=ChainEffort(probe_views=1)),
        line=cast(Any, SimpleNamespace(rundir=RunDir(tmp_path_factory.mktemp("run")), threads=1)),
        backbone=Backbone(name="tiny", preprocessing=SMALLER),
        weights=Weights(state=None, source="random", pretrained=False), say=lambda _: None,
        photos=open_photos(root, source="synthetic", synthetic=True, seed=0),
    )  # fmt: skip


def test_only_the_output_layer_learns_and_its_time_is_that_of_all_views(bench: PhotoBench) -> None:
    network = Tiny()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    train, gates = transfer.train_output_layer(network, bench, seed=0, name="Tiny")
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"fc.weight", "fc.bias"}
    assert gates == {"frozen_unchanged": True, "trained_parameters": 10}
    photos = len(bench.photo_data().train.labels)
    assert train.images_per_s * train.seconds == pytest.approx(3 * photos)  # fixed, mirrored and one random view


class Killed(BaseException):
    """The process dies here."""


class Watched(Tiny):
    """Counts the pictures that go through it, and dies when there were as many as ``lives``."""

    def __init__(self, lives: float = float("inf")) -> None:
        super().__init__()
        self.lives, self.pictures = lives, 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """``(N, 2)``."""
        if self.pictures >= self.lives:
            raise Killed
        self.pictures += len(images)
        return super().forward(images)


@pytest.mark.parametrize("died_after", [1, 20, 30])
def test_features_of_a_killed_process_are_not_computed_again(
    died_after: int, bench: PhotoBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def layer_of(network: Tiny, name: str) -> torch.Tensor:
        torch.manual_seed(0)
        for parameter in network.parameters():
            nn.init.normal_(parameter)
        transfer.train_output_layer(network, bench, seed=0, name=name)
        return network.fc.weight.detach().clone()

    views = 3 * len(bench.photo_data().train.labels)
    monkeypatch.setattr(transfer, "FEATURE_IMAGES", 4)
    whole = Watched()
    expected = layer_of(whole, f"undisturbed {died_after}")
    assert whole.pictures == views
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)
    killed, again = Watched(died_after), Watched()
    with pytest.raises(Killed):
        layer_of(killed, f"killed {died_after}")
    assert torch.equal(layer_of(again, f"killed {died_after}"), expected)
    assert again.pictures == views - killed.pictures < views
    ended = Watched()
    assert torch.equal(layer_of(ended, f"killed {died_after}"), expected)
    assert ended.pictures == 0, "the features are there, and the layer has learned from them"


def test_statistics_that_move_are_an_error_with_their_name(bench: PhotoBench, monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(
        network: nn.Module, layer: nn.Module, batches: Iterable[torch.Tensor], *, after: int
    ) -> Iterator[torch.Tensor]:
        network.train()
        for batch in batches:
            network(batch)
            yield torch.rand(len(batch), 4)

    monkeypatch.setattr(transfer, "features", careless)
    with pytest.raises(GateError, match=r"norm\.running_mean changed although it was frozen"):
        transfer.train_output_layer(Tiny(), bench, seed=0, name="Tiny")


def test_an_output_layer_that_learned_nothing_is_an_error(bench: PhotoBench, monkeypatch: pytest.MonkeyPatch) -> None:
    untouched = fit(nn.Linear(4, 2), _NoBatches(), FitConfig(epochs=1, lr=1e-9))
    monkeypatch.setattr(transfer, "fit", lambda *args, **kwargs: untouched)
    with pytest.raises(GateError, match="has not learned: its weights are unchanged"):
        transfer.train_output_layer(Tiny(), bench, seed=0, name="Tiny")


class _NoBatches:
    batch_images = 2

    def __len__(self) -> int:
        return 2

    def epoch(self, generator: torch.Generator) -> Any:
        """One batch."""
        yield torch.rand(2, 4), torch.tensor([0, 1])
