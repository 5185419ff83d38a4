"""What the steps of the chain share: photos as the backbone sees them, the assembly line, and stored networks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from petiole.chain.config import ChainConfig
from petiole.data.augment import Views
from petiole.data.folder import PhotoData
from petiole.deploy.artifact import load_weights, read_card
from petiole.deployed import float_network
from petiole.models import backbones
from petiole.models.weights import Weights
from petiole.preprocessing import Preprocessing
from petiole.progress import Say, bar
from petiole.records import Epoch
from petiole.rundir import digest
from petiole.training.checkpoint import Checkpoint
from petiole.variants import AssemblyLine, Task

MOST_CHOOSING = 512
"""Of more training photos, so many are looked at when channels are chosen."""


@dataclass(frozen=True, kw_only=True)
class PhotoBench:
    """The table that a photo network is worked at. ``photos`` are None where nothing needs them; ``earlier`` are the
    seconds of trainings that an earlier process was stopped in, and that were taken up."""

    config: ChainConfig
    line: AssemblyLine
    backbone: backbones.Backbone
    weights: Weights
    photos: PhotoData | None
    say: Say
    progress: bool = False
    earlier: list[float] = field(default_factory=list)
    _tasks: dict[str, Task] = field(default_factory=dict)
    _views: dict[str, Views] = field(default_factory=dict)

    @property
    def weights_word(self) -> str:
        """ "pretrained" or "random", as the records mark it."""
        return "pretrained" if self.weights.pretrained else "random"

    def photo_data(self) -> PhotoData:
        """The photos; a chapter that asks for them has had them loaded."""
        assert self.photos is not None
        return self.photos

    def photo_task(self) -> Task:
        """Test photos as the backbone sees them."""
        return self._photo_task("backbone", self.backbone.preprocessing)

    def _photo_task(self, key: str, preprocessing: Preprocessing) -> Task:
        if key not in self._tasks:
            photos = self.photo_data()
            inputs = Views(photos.test, preprocessing)
            self._tasks[key] = Task(
                dataset="photos", classes=tuple(photos.record.classes), preprocessing=preprocessing,
                inputs=inputs, labels=photos.test.labels, synthetic=photos.record.synthetic,
            )  # fmt: skip
        return self._tasks[key]

    def train_inputs(self) -> Views:
        """The training photos' fixed views, as inputs ``(N, C, H, W)``."""
        if "train" not in self._views:
            self._views["train"] = Views(self.photo_data().train, self.backbone.preprocessing)
        return self._views["train"]

    def refit_inputs(self, seed: int) -> torch.Tensor:
        """The training photos that pruned layers are refitted on: all, or a seeded choice of many."""
        inputs, _ = self._some(self.config.effort.refit_photos, seed)
        return inputs

    def choosing_inputs(self, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Training photos with labels that channels are chosen by: all, or a seeded choice of many."""
        return self._some(MOST_CHOOSING, seed)

    def _some(self, count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        inputs, labels = self.train_inputs(), self.photo_data().train.labels
        if len(inputs) <= count:
            return inputs[:], labels
        chosen = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(seed))[:count]
        return inputs[chosen], labels[chosen]

    def photo_network(self, name: str, seed: int) -> nn.Module:
        """A network of an earlier chapter, rebuilt from its artifact."""
        return self._restore(float_network(read_card(self._folder(name, seed))), name, seed)

    def _restore(self, network: nn.Module, name: str, seed: int) -> nn.Module:
        folder = self._folder(name, seed)
        backbones.load_state(network, load_weights(folder), what=f"the weights in {folder}")
        return network.eval()

    def _folder(self, name: str, seed: int) -> Path:
        return self.line.rundir.artifact(name + (f"-seed{seed}" if seed else ""))

    @contextmanager
    def training(self, name: str, epochs: int) -> Iterator[Callable[[Epoch], None]]:
        """A bar of epochs while a network trains; what is yielded is told of each one."""
        with bar(name, epochs, unit="epoch", say=self.say, terminal=self.progress) as tell:

            def told(epoch: Epoch) -> None:
                accuracy = "" if epoch.train_accuracy is None else f", training accuracy {epoch.train_accuracy:.1%}"
                tell(epoch.epoch, f"loss {epoch.loss:.4f}{accuracy}")

            yield told

    def checkpoint(self, name: str, *depends_on: object) -> Checkpoint:
        """Where the training of that name is kept, until the step of the run that it belongs to has ended. It goes on
        with the same pictures and whatever else it ``depends_on``."""
        return Checkpoint(
            directory=self.line.rundir.trainings, name=name,
            basis=[self.line.threads, *self._learned_from(), *depends_on], say=self.say, earlier=self.earlier,
        )  # fmt: skip

    def _learned_from(self) -> list[object]:
        """The pictures of trainings, as far as they say what comes out."""
        photos = self.photos and [self.photos.digest, digest(self.photos.train.paths)]
        return [photos, self.backbone.preprocessing]
