"""The training loop, against values worked out by hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from petiole.training.evaluate import Predictions
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


def test_a_loss_that_is_no_number_stops_training_and_says_where() -> None:
    with pytest.raises(TrainingError, match="epoch 1, step 0"):
        fit(nn.Linear(1, 2), Points(scale=float("nan")), FitConfig(epochs=1, lr=0.1))


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


def test_fixed_statistics_do_not_move_while_training() -> None:
    layer, dropout = nn.BatchNorm2d(1), nn.Dropout()
    network = nn.Sequential(layer, dropout)
    train_with_fixed_statistics(network)
    network(torch.full((4, 1, 2, 2), 9.0))
    assert layer.running_mean is not None
    assert layer.running_mean.item() == 0.0
    assert dropout.training
