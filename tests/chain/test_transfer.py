"""The gate of transfer: only the output layer may have changed."""

from collections.abc import Iterable, Iterator
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
        line=cast(Any, None), backbone=Backbone(name="tiny", preprocessing=SMALLER),
        weights=Weights(state=None, source="random", pretrained=False), say=lambda _: None,
        photos=open_photos(root, source="synthetic", synthetic=True, seed=0),
    )  # fmt: skip


def test_only_the_output_layer_learns_and_its_time_is_that_of_all_views(bench: PhotoBench) -> None:
    network = Tiny()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    train, gates = transfer.train_output_layer(network, bench, seed=0)
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"fc.weight", "fc.bias"}
    assert gates == {"frozen_unchanged": True, "trained_parameters": 10}
    photos = len(bench.photo_data().train.labels)
    assert train.images_per_s * train.seconds == pytest.approx(3 * photos)  # fixed, mirrored and one random view


def test_statistics_that_move_are_an_error_with_their_name(bench: PhotoBench, monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(network: nn.Module, layer: nn.Module, batches: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
        network.train()
        for batch in batches:
            network(batch)
            yield torch.rand(len(batch), 4)

    monkeypatch.setattr(transfer, "features", careless)
    with pytest.raises(GateError, match=r"norm\.running_mean changed although it was frozen"):
        transfer.train_output_layer(Tiny(), bench, seed=0)


def test_an_output_layer_that_learned_nothing_is_an_error(bench: PhotoBench, monkeypatch: pytest.MonkeyPatch) -> None:
    untouched = fit(nn.Linear(4, 2), _NoBatches(), FitConfig(epochs=1, lr=1e-9))
    monkeypatch.setattr(transfer, "fit", lambda *args, **kwargs: untouched)
    with pytest.raises(GateError, match="has not learned: its weights are unchanged"):
        transfer.train_output_layer(Tiny(), bench, seed=0)


class _NoBatches:
    batch_images = 2

    def __len__(self) -> int:
        return 2

    def epoch(self, generator: torch.Generator) -> Any:
        """One batch."""
        yield torch.rand(2, 4), torch.tensor([0, 1])
