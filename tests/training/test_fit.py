"""The training loop, against values worked out by hand."""

import copy
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from petiole.errors import GateError
from petiole.training.evaluate import Predictions, predict
from petiole.training.features import features, gathered
from petiole.training.fit import FitConfig, Hooks, TrainingError, converged_epoch, fit, has_converged, learning_rate
from petiole.training.statistics import reestimate, train_with_fixed_statistics


class Points:
    """Two separable clouds on a line; each epoch in the same two batches."""

    batch_images = 4

    def __init__(self, scale: float = 1.0) -> None:
        self.inputs = torch.tensor([[-2.0], [-1.0], [1.0], [2.0], [-3.0], [3.0], [-4.0], [4.0]]) * scale
        self.labels = torch.tensor([0, 0, 1, 1, 0, 1, 0, 1])

    def __len__(self) -> int:
        return 8

    def epoch(self, generator: torch.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        order = torch.randperm(8, generator=generator)
        for part in (order[:4], order[4:]):
            yield self.inputs[part], self.labels[part]


def test_learning_rate_warms_up_then_decays_to_zero() -> None:
    config = FitConfig(epochs=1, lr=1.0, warmup=0.2)
    assert [learning_rate(config, step, 10) for step in (0, 1, 2)] == [0.5, 1.0, 1.0]
    assert learning_rate(config, 6, 10) == pytest.approx(0.5)  # half of the eight steps of decay
    assert learning_rate(config, 10, 10) == pytest.approx(0.0)


def test_chunks_make_the_same_step_as_the_whole_batch() -> None:
    """Two steps on eight points, with and without chunks of 3: gradients are means over the batch either way."""
    trained = []
    for chunk_images in (0, 3):
        torch.manual_seed(0)
        network = nn.Linear(1, 2)
        fit(network, Points(), FitConfig(epochs=1, lr=0.1, optimizer="sgd", chunk_images=chunk_images))
        trained.append(network.weight.detach())
    assert torch.allclose(trained[0], trained[1], atol=1e-6)
    torch.manual_seed(0)
    assert not torch.allclose(trained[0], nn.Linear(1, 2).weight.detach(), atol=1e-3)


def test_converged_epoch_is_the_first_that_stays_near_the_end() -> None:
    assert converged_epoch([1.0, 0.4, 0.22, 0.2, 0.21, 0.2]) == 3
    assert converged_epoch([1.0, 0.2, 0.5, 0.2]) == 4  # epoch 2 was near, but training left it again
    assert converged_epoch([0.5]) == 1


def test_training_ends_early_when_the_loss_has_stopped_falling() -> None:
    assert has_converged([0.5, 0.5, 0.4, 0.4, 0.397, 0.399], 2)  # 0.398 is less than 1% below 0.4
    assert not has_converged([0.5, 0.5, 0.4, 0.4, 0.39, 0.39], 2)  # 2.5% below
    assert not has_converged([0.4, 0.4, 0.4], 2)  # too few epochs to tell
    assert not has_converged([0.4] * 10, 0)
    network = nn.Linear(1, 2)
    train = fit(network, Points(scale=0.0), FitConfig(epochs=9, lr=1e-9, patience=2))
    assert train.epochs == 4


def test_fit_learns_and_repeats_itself_under_a_seed() -> None:
    weights = []
    for _ in range(2):
        torch.manual_seed(0)
        network = nn.Linear(1, 2)
        train = fit(network, Points(), FitConfig(epochs=20, lr=0.1))
        weights.append(network.weight.detach().clone())
        assert train.history[-1].train_accuracy == 1.0
        assert train.history[-1].loss < train.history[0].loss
    assert torch.equal(*weights)


def test_hooks_run_after_every_step_and_epoch() -> None:
    seen: list[str] = []
    hooks = Hooks(
        before_epoch=lambda epoch: seen.append(f"before {epoch}"),
        after_step=lambda: seen.append("step"),
        after_epoch=lambda epoch: float(epoch),
    )
    train = fit(nn.Linear(1, 2), Points(), FitConfig(epochs=2, lr=0.1), hooks=hooks)
    assert seen == ["before 1", "step", "step", "before 2", "step", "step"]
    assert [epoch.sparsity for epoch in train.history] == [1.0, 2.0]


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
@pytest.mark.parametrize("at", [0, 1, 2, 3, 5])
def test_a_loss_that_is_no_number_stops_training_and_what_was_learned_stays(broken: float, at: int) -> None:
    """Points break at batch ``at``, two batches an epoch: the weights are those of so many whole epochs."""

    class Breaking(Points):
        seen = 0

        def epoch(self, generator: torch.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
            for inputs, labels in super().epoch(generator):
                yield inputs * (broken if self.seen == at else 1.0), labels
                self.seen += 1

    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(1, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    sound, states = copy.deepcopy(network), [copy.deepcopy(network.state_dict())]

    def remember(epoch: int) -> None:
        states.append(copy.deepcopy(sound.state_dict()))

    config = FitConfig(epochs=4, lr=0.1)
    fit(sound, Points(), config, hooks=Hooks(after_epoch=remember))
    with pytest.raises(
        TrainingError, match=rf"the loss became (nan|inf) at epoch {at // 2 + 1}, step {at}, .* smaller"
    ):
        fit(network, Breaking(), config)
    assert not network.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, states[at // 2][name]), name


def test_a_weight_that_is_no_number_is_found_though_no_loss_tells() -> None:
    """It breaks after the last step, where no batch follows that would show it."""
    network = nn.Sequential(nn.Linear(1, 2))
    before = copy.deepcopy(network.state_dict())
    steps = itertools.count(1)

    def break_after_the_last() -> None:
        if next(steps) == 2:
            with torch.no_grad():
                network.get_parameter("0.bias")[1] = float("inf")

    with pytest.raises(TrainingError, match=r"^0\.bias became NaN or infinite at epoch 1, step 2"):
        fit(network, Points(), FitConfig(epochs=1, lr=0.1), hooks=Hooks(after_step=break_after_the_last))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_statistics_of_batchnorm_that_are_no_numbers_are_found() -> None:
    """Pictures of 1e25 are normalized before the loss, which is a number, and their variance is infinite."""
    network = nn.Sequential(nn.BatchNorm1d(1), nn.Linear(1, 2))
    steps = itertools.count(1)

    def spoil() -> None:
        if next(steps) == 2:
            network.get_buffer("0.running_var").fill_(float("inf"))

    with pytest.raises(TrainingError, match=r"^0\.running_var became NaN or infinite at epoch 1, step 2"):
        fit(network, Points(), FitConfig(epochs=1, lr=0.1), hooks=Hooks(after_step=spoil))
    assert bool(network.get_buffer("0.running_var").isfinite().all())


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_logits_that_are_no_numbers_are_not_judged(broken: float) -> None:
    """The highest of NaNs is the first class: of pictures of that class, all would be called right."""
    network = nn.Linear(1, 2)
    inputs = torch.tensor([[1.0], [2.0], [broken]])
    with pytest.raises(GateError, match=r"the logits of picture 2 are no numbers: \["):
        predict(network, inputs, torch.zeros(3, dtype=torch.int64), batch_images=2)


def test_batch_norm_in_train_mode_does_not_judge_by_the_batch() -> None:
    """A network that comes in train mode gives what it gives in eval mode, and its statistics stay."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(), nn.Linear(3, 2))
    inputs, labels = 5 + torch.randn(10, 3), torch.zeros(10, dtype=torch.int64)
    with torch.no_grad():
        expected = network.eval()(inputs)
        in_train_mode = network.train()(inputs)
    assert not torch.allclose(in_train_mode, expected, atol=0.1), "the mode makes a difference"
    network[1].reset_running_stats()  # type: ignore[operator]  # which the call above moved
    assert torch.equal(predict(network.train(), inputs, labels).logits, expected)
    assert torch.equal(network.get_buffer("1.running_mean"), torch.zeros(3))


def test_accuracy_record_counts_by_class() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 2.0], [0.0, 2.0], [2.0, 0.0]])
    accuracy = Predictions(logits=logits, labels=torch.tensor([0, 0, 1, 1])).accuracy(["ants", "bees"])
    assert (accuracy.correct, accuracy.total, accuracy.value) == (2, 4, 0.5)
    assert accuracy.confusion == [[1, 1], [1, 1]]
    assert accuracy.by_class == {"ants": 0.5, "bees": 0.5}


def test_features_are_what_reaches_the_layer() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    inputs = torch.randn(5, 2)
    expected = network[1](network[0](inputs)).detach()
    seen = gathered(features(network, network[2], inputs.split(2)), rows=5)
    assert torch.allclose(seen, expected)


def test_many_features_lie_in_a_file_of_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PETIOLE_CACHE", str(tmp_path))
    monkeypatch.setattr("petiole.training.features.MEMORY_BYTES", 40)
    parts = [torch.randn(2, 3), torch.randn(3, 3)]
    assert torch.equal(gathered(iter(parts), rows=5), torch.cat(parts))
    assert list(tmp_path.iterdir()) == [], "it has no name, and leaves nothing behind"


def test_reestimated_statistics_are_those_of_the_inputs() -> None:
    layer = nn.BatchNorm2d(1)
    inputs = torch.tensor([1.0, 3.0, 5.0, 7.0]).view(4, 1, 1, 1)
    reestimate(nn.Sequential(layer), inputs, batch_images=4)
    assert layer.running_mean is not None
    assert layer.running_var is not None
    assert layer.running_mean.item() == pytest.approx(4.0)
    assert layer.running_var.item() == pytest.approx(20 / 3)  # unbiased: (9 + 1 + 1 + 9) / 3
    assert layer.momentum == 0.1
    assert not layer.training


@pytest.mark.parametrize(
    ("pictures", "sizes"), [(8, [4, 4]), (6, [4, 2]), (5, [3, 2]), (9, [3, 3, 3]), (3, [3]), (2, [2])]
)
def test_statistics_are_estimated_from_batches_that_weigh_alike(pictures: int, sizes: list[int]) -> None:
    """A last batch of one picture was an error of BatchNorm behind global pooling."""
    seen: list[int] = []
    layer = nn.BatchNorm1d(2)
    layer.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    reestimate(nn.Sequential(layer), torch.randn(pictures, 2), batch_images=4)
    assert seen == sizes


def test_statistics_of_pictures_that_are_sorted_by_class_are_estimated_from_mixed_batches() -> None:
    """Zeros, then ones: batches of one class would have no variance at all; that of all is 1/4."""
    layer = nn.BatchNorm1d(1)
    reestimate(nn.Sequential(layer), torch.arange(80.0).ge(40).float().view(80, 1), seed=3, batch_images=20)
    assert layer.running_mean is not None
    assert layer.running_var is not None
    assert layer.running_mean.item() == pytest.approx(0.5)
    assert layer.running_var.item() > 0.2


def test_fixed_statistics_do_not_move_while_training() -> None:
    layer, dropout = nn.BatchNorm2d(1), nn.Dropout()
    network = nn.Sequential(layer, dropout)
    train_with_fixed_statistics(network)
    network(torch.full((4, 1, 2, 2), 9.0))
    assert layer.running_mean is not None
    assert layer.running_mean.item() == 0.0
    assert dropout.training
