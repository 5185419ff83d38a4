"""What the chapters of one run share: data, tasks, the assembly line, and the networks of earlier chapters."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, Field
from torch import nn

from petiole.chain.bench import PhotoBench
from petiole.data.augment import normalize
from petiole.data.digits import DigitData
from petiole.errors import GateError, GoalError
from petiole.figure_records import LayerError
from petiole.lab.config import LabConfig
from petiole.models.lenet import LeNet
from petiole.preprocessing import DIGITS, SMALL
from petiole.progress import Say
from petiole.quantization import eager
from petiole.quantization.mixed import Mixed
from petiole.records import CurvePoint, Failure, Sensitivity, Unreached, Variant
from petiole.training.fit import TrainingError
from petiole.variants import Subject, Task

BASELINE = "CNNOptimized"
"""The photo network that is pruned and quantized, and with which retrained ones are compared beside their parents."""


class ChapterResult(BaseModel):
    """What a chapter fills in: variants, curve points, failures. It goes into JSON and back, so that runs resume."""

    variants: list[Variant] = Field(default_factory=list)
    curves: list[CurvePoint] = Field(default_factory=list)
    unreached: list[Unreached] = Field(default_factory=list)
    sensitivities: list[Sensitivity] = Field(default_factory=list)
    layer_errors: list[LayerError] = Field(default_factory=list)
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
        self.unreached += other.unreached
        self.sensitivities += other.sensitivities
        self.layer_errors += other.layer_errors
        self.failures += other.failures

    def add_layer_errors(self, subject: Subject, mixed: Mixed) -> None:
        """What int8 does to each layer of a variant, in the order of the network."""
        self.layer_errors += [
            LayerError(
                variant=subject.name, engine=subject.engine, seed=subject.seed, layer=layer, error=error,
                floating=layer in mixed.floating,
            )
            for layer, error in mixed.damage.items()
        ]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Bench(PhotoBench):
    """The table that all chapters work at; ``digits`` are None where no chapter needs them."""

    config: LabConfig
    digits: DigitData | None

    def digit_data(self) -> DigitData:
        """The digits; a chapter that asks for them has had them loaded."""
        assert self.digits is not None
        return self.digits

    def scratch_task(self) -> Task:
        """Test photos as ``CNNScratch`` sees them."""
        return self._photo_task("scratch", SMALL)

    def digit_task(self) -> Task:
        """The test digits."""
        if "digits" not in self._tasks:
            digits = self.digit_data()
            self._tasks["digits"] = Task(
                dataset="digits", classes=tuple("0123456789"), preprocessing=DIGITS,
                inputs=normalize(digits.test_images[:, None], DIGITS), labels=digits.test_labels,
            )  # fmt: skip
        return self._tasks["digits"]

    def _learned_from(self) -> list[object]:
        return [*super()._learned_from(), self.digits and self.digits.digest]

    def lenet(self, name: str, seed: int) -> nn.Module:
        """A LeNet of this run, rebuilt from its artifact."""
        return self._restore(LeNet(), name, seed)

    def eager_int8(self, variant: Variant) -> nn.Module:
        """An eager int8 network of this run, rebuilt from its artifact for torch."""
        parent = str(variant.parent)
        plain = self.lenet(parent, variant.seed) if parent == "LeNet" else self.photo_network(parent, variant.seed)
        recipe = next(how for how in get_args(eager.Recipe) if f"-{how}-" in variant.name)
        return eager.restore(plain, recipe, self.line.rundir.path / str(variant.artifact) / "state.pth")
