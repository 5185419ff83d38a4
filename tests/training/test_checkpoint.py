"""A training that was killed and goes on ends with the same bits as one that was not, whatever is trained."""

import copy
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from petiole.models.lenet import LeNet
from petiole.quantization import eager, pt2e
from petiole.records import Epoch
from petiole.training import checkpoint
from petiole.training.checkpoint import Checkpoint, Moment
from petiole.training.distillation import Distillation, Objective
from petiole.training.fit import FitConfig, Hooks, fit
from petiole.training.statistics import train_with_fixed_statistics

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

EPOCHS = 4


class Killed(BaseException):
    """The process dies here."""


class Pictures:
    """Twelve pictures ``(C, H, W)`` in batches of four, in a random order and with noise, as augmentation is random."""

    batch_images = 4

    def __init__(self, shape: tuple[int, int, int] = (3, 8, 8)) -> None:
        self.inputs = torch.sin(torch.arange(12.0 * math.prod(shape))).view(12, *shape)
        self.epochs = 0

    def __len__(self) -> int:
        return 12

    def epoch(self, generator: torch.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        self.epochs += 1
        for chosen in torch.randperm(12, generator=generator).split(4):
            yield self.inputs[chosen] + 0.1 * torch.rand(4, *self.inputs.shape[1:], generator=generator), chosen % 2


def small() -> nn.Module:
    """A network whose BatchNorm counts, and whose dropout draws from the global generator."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3), nn.Linear(4 * 36, 2)
    )
    return network.to(memory_format=torch.channels_last)


@dataclass(frozen=True, kw_only=True)
class Training:
    """One kind of training: its network, and what :func:`fit` is told besides."""

    network: nn.Module = field(default_factory=small)
    config: FitConfig = field(default_factory=lambda: FitConfig(epochs=EPOCHS, lr=0.01, seed=3))
    objective: Objective | None = None
    hooks: Hooks = field(default_factory=Hooks)
    train_mode: Callable[[], None] | None = None
    shape: tuple[int, int, int] = (3, 8, 8)


def _masks() -> Training:
    network = small()
    weight = network.get_parameter("0.weight")
    mask = (torch.rand(weight.shape, generator=torch.Generator().manual_seed(0)) > 0.5).float()

    @torch.no_grad()
    def hold() -> None:
        weight.mul_(mask)

    hold()
    return Training(network=network, hooks=Hooks(after_step=hold, after_epoch=lambda _: float((weight == 0).sum())))


def _fixed_statistics() -> Training:
    network = small()
    return Training(network=network, train_mode=lambda: train_with_fixed_statistics(network))


def _eager_qat() -> Training:
    """LeNet's: not calibrated, so that observers get their shapes in the first epoch; scales frozen in the last."""
    torch.manual_seed(0)
    prepared = eager.prepare_qat(LeNet().eval())
    hooks = Hooks(before_epoch=_freeze_last(prepared, eager.freeze_observers))
    return Training(network=prepared, hooks=hooks, shape=(1, 32, 32))


def _pt2e_qat() -> Training:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2)).eval()
    prepared = pt2e.prepare_qat(pt2e.export_graph(plain, (3, 8, 8)))
    pt2e.calibrate(prepared, Pictures().inputs)
    return Training(network=prepared, hooks=Hooks(before_epoch=_freeze_last(prepared, pt2e.freeze_observers)))


def _freeze_last(network: nn.Module, freeze: Callable[[Any], None]) -> Callable[[int], None]:
    return lambda epoch: freeze(network) if epoch == EPOCHS else None


KINDS: dict[str, Callable[[], Training]] = {
    "plain": Training,
    "momentum": lambda: Training(config=FitConfig(epochs=EPOCHS, lr=0.01, optimizer="sgd", label_smoothing=0.1)),
    "chunks in bfloat16": lambda: Training(config=FitConfig(epochs=EPOCHS, lr=0.01, chunk_images=3, bfloat16=True)),
    "distillation": lambda: Training(objective=Distillation(teacher=copy.deepcopy(small()).eval(), hard=0.5)),
    "masks": _masks,
    "fixed statistics": _fixed_statistics,
    "QAT, eager": _eager_qat,
    "QAT, PT2E": _pt2e_qat,
}


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings are kept after every epoch."""
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)


def train(
    training: Training, directory: Path | None, *, killed_in: int = 0, said: list[str] | None = None, basis: object = 0
) -> tuple[dict[str, torch.Tensor], list[Epoch], int]:
    """Weights, history, and how many epochs were trained; ``killed_in`` an epoch, the process is gone."""
    batches, tell = Pictures(training.shape), (said if said is not None else []).append
    kept = directory and Checkpoint(directory=directory, name="small", basis=basis, say=tell)

    def on_epoch(epoch: Epoch) -> None:
        if epoch.epoch == killed_in:
            raise Killed

    done = fit(
        training.network, batches, training.config, objective=training.objective, hooks=training.hooks,
        train_mode=training.train_mode, on_epoch=on_epoch, checkpoint=kept or None,
    )  # fmt: skip
    return training.network.state_dict(), done.history, batches.epochs


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_training_ends_as_an_undisturbed_one(kind: str, tmp_path: Path) -> None:
    """Killed in epoch 2, taken up, killed in epoch 4 (the last), taken up: the epoch before is never done again."""
    make = KINDS[kind]
    weights, history, epochs = train(make(), None)
    assert epochs == EPOCHS
    for killed_in in (2, 4):
        with pytest.raises(Killed):
            train(make(), tmp_path, killed_in=killed_in)
    said: list[str] = []
    again, its_history, epochs = train(make(), tmp_path, said=said)
    assert epochs == 1
    assert said == ["small: goes on after epoch 3"]
    assert its_history == history
    assert_same(again, weights)


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_that_has_ended_is_read_back(kind: str, tmp_path: Path) -> None:
    """Its chapter was killed later on; a quantized network is converted from what was read, and answers alike."""
    first, second = KINDS[kind](), KINDS[kind]()
    weights, history, _ = train(first, tmp_path)
    again, its_history, epochs = train(second, tmp_path)
    assert epochs == 0
    assert its_history == history
    assert_same(again, weights)
    inputs = Pictures(first.shape).inputs
    if "QAT" in kind:
        convert: Any = eager.convert if "eager" in kind else pt2e.convert
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert torch.equal(convert(first.network)(inputs), convert(second.network)(inputs))
    else:
        assert torch.equal(first.network(inputs), second.network(inputs))


def test_a_training_that_has_converged_is_not_trained_further(tmp_path: Path) -> None:
    config = FitConfig(epochs=30, lr=1e-9, patience=2)
    _, history, epochs = train(Training(config=config), tmp_path)
    assert len(history) == epochs < 30
    _, again, epochs = train(Training(config=config), tmp_path)
    assert (again, epochs) == (history, 0)


def _other_start() -> Training:
    training = Training()
    with torch.no_grad():
        training.network.get_parameter("5.bias").add_(1e-6)
    return training


@pytest.mark.parametrize(
    ("other", "basis"),
    [
        (lambda: Training(config=replace(Training().config, lr=0.02)), 0),
        (lambda: Training(config=replace(Training().config, epochs=5)), 0),
        (lambda: Training(config=replace(Training().config, seed=4)), 0),
        (_other_start, 0),
        (lambda: Training(objective=Distillation(teacher=small())), 0),
        (Training, "other pictures"),
    ],
    ids=["learning rate", "epochs", "seed", "starting weights", "teacher", "pictures"],
)
def test_another_training_is_not_taken_for_it(other: Callable[[], Training], basis: object, tmp_path: Path) -> None:
    train(Training(), tmp_path)
    training = other()
    _, history, epochs = train(training, tmp_path, basis=basis)
    assert epochs == len(history) == training.config.epochs


def test_a_checkpoint_of_another_version_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Killed):
        train(Training(), tmp_path, killed_in=3)
    monkeypatch.setattr("petiole.__version__", "0.0.0")
    assert train(Training(), tmp_path)[2] == EPOCHS


def test_short_trainings_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "EVERY_S", 60.0)
    train(Training(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_training_is_kept_no_more_often_than_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that moves by a second at each look: asked for every 2 seconds."""
    seconds, written = iter(range(1000)), list[Path]()
    monkeypatch.setattr("time.perf_counter", lambda: float(next(seconds)))
    monkeypatch.setattr(checkpoint, "write_atomic", lambda path, content: written.append(path))
    monkeypatch.setattr(checkpoint, "EVERY_S", 2.0)
    network = small()
    kept = Checkpoint(directory=tmp_path, name="small", basis=0, say=lambda _: None)
    optimizer = torch.optim.SGD(network.parameters())
    moment = Moment(network=network, optimizer=optimizer, generator=torch.Generator())
    kept.begin(moment, config=0, teacher=None)  # at 0
    counts = []
    for _ in range(4):  # at 1: too early; at 2, and 3 is when it was kept; at 4: too early; at 5
        kept.keep(moment, ended=False)
        counts.append(len(written))
    assert counts == [0, 1, 1, 2]
