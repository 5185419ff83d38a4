"""What the chapters of one run share: data, tasks, the assembly line, and the networks of earlier chapters."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import torch
from pydantic import BaseModel, Field
from torch import nn

from petiole.data.augment import centre_views, normalize
from petiole.data.digits import DigitData
from petiole.data.folder import PhotoData
from petiole.deploy.artifact import load_weights, read_card
from petiole.deployed import float_network
from petiole.errors import GateError, GoalError
from petiole.lab.config import LabConfig
from petiole.models import backbones
from petiole.models.lenet import LeNet
from petiole.models.weights import Weights
from petiole.preprocessing import DIGITS, SMALL
from petiole.progress import Say, bar
from petiole.quantization import eager
from petiole.records import CurvePoint, Epoch, Failure, Sensitivity, Variant
from petiole.training.fit import TrainingError
from petiole.variants import AssemblyLine, Task


class ChapterResult(BaseModel):
    """What a chapter fills in: variants, curve points, failures. It goes into JSON and back, so that runs resume."""

    variants: list[Variant] = Field(default_factory=list)
    curves: list[CurvePoint] = Field(default_factory=list)
    sensitivities: list[Sensitivity] = Field(default_factory=list)
    failures: list[Failure] = Field(default_factory=list)
    demos: dict[str, Any] = Field(default_factory=dict)
    images: int = 0

    @contextmanager
    def attempt(self, variant: str, stage: str, seed: int, say: Say) -> Iterator[None]:
        """What follows may fail without taking the rest with it: the failure becomes a row that people see."""
        try:
            yield
        except (GateError, GoalError, TrainingError) as error:
            say(f"{variant} failed: {error}")
            self.failures.append(Failure(variant=variant, why=str(error), seed=seed, stage=stage))

    def add(self, other: "ChapterResult") -> None:
        """Take in another chapter's rows."""
        self.variants += other.variants
        self.curves += other.curves
        self.sensitivities += other.sensitivities
        self.failures += other.failures


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The table that all chapters work at. ``photos`` and ``digits`` are None where no chapter needs them."""

    config: LabConfig
    line: AssemblyLine
    backbone: backbones.Backbone
    weights: Weights
    photos: PhotoData | None
    digits: DigitData | None
    say: Say
    progress: bool = False
    _tasks: dict[str, Task] = field(default_factory=dict)
    _views: dict[str, torch.Tensor] = field(default_factory=dict)

    @property
    def weights_word(self) -> str:
        """ "pretrained" or "random", as the records mark it."""
        return "pretrained" if self.weights.pretrained else "random"

    def photo_data(self) -> PhotoData:
        """The photos; a chapter that asks for them has had them loaded."""
        assert self.photos is not None
        return self.photos

    def digit_data(self) -> DigitData:
        """The digits; a chapter that asks for them has had them loaded."""
        assert self.digits is not None
        return self.digits

    def scratch_task(self) -> Task:
        """Test photos as ``CNNScratch`` sees them."""
        return self._photo_task("scratch", SMALL)

    def photo_task(self) -> Task:
        """Test photos as the backbone sees them."""
        return self._photo_task("backbone", self.backbone.preprocessing)

    def _photo_task(self, key: str, preprocessing: Any) -> Task:
        if key not in self._tasks:
            photos = self.photo_data()
            inputs = normalize(centre_views(photos.test, preprocessing), preprocessing)
            self._tasks[key] = Task(
                dataset="photos", classes=tuple(photos.record.classes), preprocessing=preprocessing,
                inputs=inputs, labels=photos.test.labels, synthetic=photos.record.synthetic,
            )  # fmt: skip
        return self._tasks[key]

    def digit_task(self) -> Task:
        """The test digits."""
        if "digits" not in self._tasks:
            digits = self.digit_data()
            self._tasks["digits"] = Task(
                dataset="digits", classes=tuple("0123456789"), preprocessing=DIGITS,
                inputs=normalize(digits.test_images[:, None], DIGITS), labels=digits.test_labels,
            )  # fmt: skip
        return self._tasks["digits"]

    def train_inputs(self) -> torch.Tensor:
        """The training photos' fixed views, normalized, ``(N, C, H, W)``; computed once."""
        if "train" not in self._views:
            preprocessing = self.backbone.preprocessing
            self._views["train"] = normalize(centre_views(self.photo_data().train, preprocessing), preprocessing)
        return self._views["train"]

    def refit_inputs(self, seed: int) -> torch.Tensor:
        """The training photos that pruned layers are refitted on: all, or a seeded choice of many."""
        inputs, count = self.train_inputs(), self.config.effort.refit_photos
        if len(inputs) <= count:
            return inputs
        return inputs[torch.randperm(len(inputs), generator=torch.Generator().manual_seed(seed))[:count]]

    def photo_network(self, name: str, seed: int) -> nn.Module:
        """A network of an earlier chapter, rebuilt from its artifact."""
        return self._restore(float_network(read_card(self._folder(name, seed))), name, seed)

    def lenet(self, name: str, seed: int) -> nn.Module:
        """A LeNet of this run, rebuilt from its artifact."""
        return self._restore(LeNet(), name, seed)

    def _restore(self, network: nn.Module, name: str, seed: int) -> nn.Module:
        folder = self._folder(name, seed)
        backbones.load_state(network, load_weights(folder), what=f"the weights in {folder}")
        return network.eval()

    def _folder(self, name: str, seed: int) -> Path:
        return self.line.rundir.artifact(name + (f"-seed{seed}" if seed else ""))

    def eager_int8(self, variant: Variant) -> nn.Module:
        """An eager int8 network of this run, rebuilt from its artifact for torch."""
        parent = str(variant.parent)
        plain = self.lenet(parent, variant.seed) if parent == "LeNet" else self.photo_network(parent, variant.seed)
        state = eager.load_state(self.line.rundir.path / str(variant.artifact) / "state.pth")
        recipe = next(how for how in get_args(eager.Recipe) if f"-{how}-" in variant.name)
        return eager.restore(plain, recipe, state)

    @contextmanager
    def training(self, name: str, epochs: int) -> Iterator[Callable[[Epoch], None]]:
        """A bar of epochs while a network trains; what is yielded is told of each one."""
        with bar(name, epochs, unit="epoch", say=self.say, terminal=self.progress) as tell:

            def told(epoch: Epoch) -> None:
                accuracy = "" if epoch.train_accuracy is None else f", training accuracy {epoch.train_accuracy:.1%}"
                tell(epoch.epoch, f"loss {epoch.loss:.4f}{accuracy}")

            yield told
