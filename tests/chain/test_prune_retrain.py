"""The loop: prune, refit, let leave, retrain, step by step, with the unpruned network as teacher."""

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from petiole.chain.channel_choice import share_of_counts
from petiole.chain.prune_retrain import Course, gradually, prune_and_retrain, refit_masked, require_smaller
from petiole.errors import GateError
from petiole.pruning.pruner import ChannelPruner, MaskPruner, Unpruned
from petiole.pruning.refit import Refitted, trace
from petiole.pruning.schedule import shares
from petiole.records import Epoch, Train
from petiole.training.distillation import Distillation
from petiole.training.fit import Hooks


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).eval()


class Recorder:
    """Stands for training: notes what it was given, spoils every weight, and lets the hooks mend it."""

    def __init__(self, *, mends: bool = True) -> None:
        self.calls: list[tuple[int, float]] = []
        self.objectives: list[Any] = []
        self.seeds: list[int] = []
        self.mends = mends

    def __call__(self, network: nn.Module, *, epochs: int, seed: int, name: str, objective: Any, hooks: Hooks) -> Train:
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.001)
        if self.mends:
            hooks.after_step()
        sparsity = hooks.after_epoch(1)
        self.calls.append((epochs, sparsity or 0.0))
        self.objectives.append(objective)
        self.seeds.append(seed)
        history = [Epoch(epoch=at, loss=1 / (len(self.calls) + at)) for at in range(1, epochs + 1)]
        return Train(epochs=epochs, converged_epoch=1, seconds=2.0, images_per_s=10.0, history=history, recipe="so")


def course(unpruned: nn.Module, recorder: Recorder, shares: tuple[float, ...], said: list[str]) -> Course:
    inputs = torch.randn(8, 3, 12, 12)
    return Course(
        unpruned=unpruned, traced=trace(unpruned, inputs), inputs=inputs, retrain=recorder, shares=shares, seed=0,
        say=said.append,
    )  # fmt: skip


def test_every_step_is_pruned_refitted_and_retrained() -> None:
    unpruned, recorder, said = network(), Recorder(), list[str]()
    pruner = MaskPruner(network=copy.deepcopy(unpruned), amount=0.4, method="random", scope="global", seed=0)
    train = prune_and_retrain(pruner, course(unpruned, recorder, (0.5, 1.0), said), epochs=3, name="net").train
    assert [epochs for epochs, _ in recorder.calls] == [1, 2]
    assert recorder.seeds == [0, 1000], "no step sees the pictures in the order and with the views of another"
    assert [sparsity for _, sparsity in recorder.calls] == pytest.approx([0.2, 0.4], abs=0.01)
    assert [line.split(",")[0] for line in said] == ["net", "net"]
    assert [line.split(":")[0] for line in said] == ["net, step 1 of 2", "net, step 2 of 2"]
    assert (train.epochs, [epoch.epoch for epoch in train.history]) == (3, [1, 2, 3])
    assert train.recipe == "2 steps of 1 and 2 epochs, in each: refit, then a training, the last one: so"
    assert train.images_per_s == pytest.approx(10.0)
    assert all(isinstance(each, Distillation) and each.teacher is unpruned for each in recorder.objectives)


def test_one_step_is_told_without_counting() -> None:
    unpruned, recorder, said = network(), Recorder(), list[str]()
    pruner = MaskPruner(network=copy.deepcopy(unpruned), amount=0.4, method="magnitude", scope="global", seed=0)
    train = prune_and_retrain(pruner, course(unpruned, recorder, (1.0,), said), epochs=2, name="net").train
    assert said[0].startswith("net: refitted 2 convolutions, mean error")
    assert train.recipe == "refit; so"


def test_channels_leave_at_the_last_step() -> None:
    unpruned, recorder, said = network(), Recorder(), list[str]()
    pruner = ChannelPruner(
        copy.deepcopy(unpruned), torch.zeros(1, 3, 12, 12), protected=["2"], choose=tuple, keep=share_of_counts(0.5),
        score=lambda dependencies, groups: dependencies.scores("l1", groups),
    )  # fmt: skip
    pruner.keep = lambda groups, scores, share: {"0": round(8 * (1 - share / 2))}
    train = prune_and_retrain(pruner, course(unpruned, recorder, (0.5, 1.0), said), epochs=2, name="net").train
    assert pruner.network.get_parameter("0.weight").shape[0] == 4
    assert [name for name, _ in pruner.plan] == ["0"]
    assert len(recorder.calls) == 2
    assert train.epochs == 2


def test_the_control_goes_through_the_same_loop() -> None:
    unpruned, recorder, said = network(), Recorder(), list[str]()
    control = Unpruned(network=copy.deepcopy(unpruned))
    train = prune_and_retrain(control, course(unpruned, recorder, (0.5, 1.0), said), epochs=3, name="control").train
    assert [epochs for epochs, _ in recorder.calls] == [1, 2]
    assert train.epochs == 3
    assert said == [], "nothing was refitted"


def test_a_refit_that_brings_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    idle = [Refitted(name="0", error_before=0.25, error_after=0.25)]
    monkeypatch.setattr("petiole.chain.prune_retrain.refit", lambda *args, **kwargs: idle)
    unpruned = network()
    masks = {"0.weight": torch.ones(8, 3, 3, 3, dtype=torch.bool)}
    with pytest.raises(GateError, match=r"refitting net changed nothing: mean error 0\.25 before, 0\.25 after"):
        refit_masked(course(unpruned, Recorder(), (1.0,), []), unpruned, masks, "net")


@pytest.mark.parametrize(("before", "after"), [(float("nan"), float("nan")), (0.25, float("nan"))])
def test_a_refit_whose_error_is_no_number_is_an_error(
    before: float, after: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = [Refitted(name="0", error_before=before, error_after=after)]
    monkeypatch.setattr("petiole.chain.prune_retrain.refit", lambda *args, **kwargs: lost)
    unpruned = network()
    masks = {"0.weight": torch.ones(8, 3, 3, 3, dtype=torch.bool)}
    with pytest.raises(GateError, match=r"refitting net changed nothing: mean error .* before, nan after"):
        refit_masked(course(unpruned, Recorder(), (1.0,), []), unpruned, masks, "net")


@pytest.mark.parametrize("where", ["a picture", "a weight"])
def test_what_is_no_number_is_found_when_it_is_refitted(where: str) -> None:
    unpruned = network()
    pruned = copy.deepcopy(unpruned)
    pruner = MaskPruner(network=pruned, amount=0.4, method="magnitude", scope="global", seed=0)
    masks, taken = pruner.prune(1.0), course(unpruned, Recorder(), (1.0,), [])
    spoiled = taken.inputs if where == "a picture" else pruned.get_parameter("0.weight").data
    spoiled[0, 0] = float("nan")
    with pytest.raises(GateError, match=r"refitting net changed nothing: mean error nan before, nan after"):
        refit_masked(taken, pruned, masks, "net")


def test_where_what_was_pruned_did_nothing_there_is_nothing_to_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    dead = [Refitted(name="0", error_before=3e-9, error_after=4e-9)]
    monkeypatch.setattr("petiole.chain.prune_retrain.refit", lambda *args, **kwargs: dead)
    unpruned = network()
    masks = {"0.weight": torch.ones(8, 3, 3, 3, dtype=torch.bool)}
    assert refit_masked(course(unpruned, Recorder(), (1.0,), []), unpruned, masks, "net") == 1


def test_what_should_be_smaller_must_be() -> None:
    whole, half = nn.Sequential(nn.Conv2d(3, 8, 1)), nn.Sequential(nn.Conv2d(3, 4, 1))
    shape = (3, 4, 4)
    assert require_smaller("half", half, whole, shape, macs_left=0.5) == {"macs_left": 0.5, "parameters_left": 0.5}
    with pytest.raises(GateError, match=r"half has 50\.0% of its parent's macs left"):
        require_smaller("half", half, whole, shape, macs_left=0.4)
    with pytest.raises(GateError, match=r"whole has 100\.0% of its parent's macs left"):
        require_smaller("whole", whole, whole, shape)


@pytest.mark.parametrize("has_some", [True, False])
def test_statistics_estimated_anew_are_told_where_there_are_some(has_some: bool) -> None:
    unpruned = network()
    if has_some:
        unpruned[1] = nn.Sequential(nn.BatchNorm2d(8), nn.ReLU()).eval()
    pruner = MaskPruner(network=copy.deepcopy(unpruned), amount=0.4, method="random", scope="global", seed=0)
    again = replace(course(unpruned, Recorder(), (1.0,), []), reestimates=True)
    recipe = str(prune_and_retrain(pruner, again, epochs=1, name="net").train.recipe)
    assert ("estimated anew" in recipe) == ("estimated anew" in gradually(again, (1.0,))) == has_some


def test_a_weight_that_comes_back_in_training_is_an_error() -> None:
    unpruned = network()
    pruner = MaskPruner(network=copy.deepcopy(unpruned), amount=0.4, method="random", scope="global", seed=0)
    with pytest.raises(GateError, match="are no longer zero"):
        prune_and_retrain(pruner, course(unpruned, Recorder(mends=False), (1.0,), []), epochs=1, name="net")


def test_steps_that_round_to_nothing_are_left_out() -> None:
    """32 channels in four cubic steps (58, 87.5, 98 and 100% done). 15%: 29, 28, 27 and 27 would stay, rounded 32, 32,
    24 and 24; half: 23, 18, 16 and 16, rounded 24, 16, 16 and 16."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 32, 3), nn.ReLU(), nn.Conv2d(32, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    unpruned = nn.Sequential(*layers).eval()
    found = {}
    for amount in (0.15, 0.5):
        recorder = Recorder()
        pruner = ChannelPruner(
            copy.deepcopy(unpruned), torch.zeros(1, 3, 12, 12), protected=["2"], choose=tuple,
            keep=share_of_counts(amount), score=lambda dependencies, groups: dependencies.scores("l1", groups),
        )  # fmt: skip
        planned = course(unpruned, recorder, shares("cubic", 4), [])
        done = prune_and_retrain(pruner, planned, epochs=4, name="net")
        found[amount] = [epochs for epochs, _ in recorder.calls], gradually(planned, done.steps)
    assert found[0.15] == ([4], "")
    assert found[0.5] == ([1, 3], ", in 2 steps (58%, 100% of the pruning done)")


def test_a_step_too_small_for_one_weight_is_left_out() -> None:
    """5 of 504 weights (216 + 288) leave; the steps would take 0, 3, 3 and 5."""
    pruner = MaskPruner(network=network(), amount=0.01, method="random", scope="global", seed=0)
    assert pruner.steps((0.05, 0.5, 0.51, 1.0)) == (0.5, 1.0)


def test_all_are_trained_for_as_long_as_the_course_has_steps() -> None:
    """Of five shares of 8 channels some round to what is gone already; the control takes all five steps."""
    unpruned, recorder = network(), Recorder()
    shares = (0.1, 0.2, 0.3, 0.9, 1.0)
    pruner = ChannelPruner(
        copy.deepcopy(unpruned), torch.zeros(1, 3, 12, 12), protected=["2"], choose=tuple, keep=share_of_counts(0.5),
        score=lambda dependencies, groups: dependencies.scores("l1", groups),
    )  # fmt: skip
    pruner.keep = lambda groups, scores, share: {"0": 8 if share < 0.3 else 6 if share < 1 else 4}
    done = prune_and_retrain(pruner, course(unpruned, recorder, shares, []), epochs=2, name="net")
    assert (done.steps, [epochs for epochs, _ in recorder.calls]) == ((0.3, 1.0), [1, 4])
    control = Unpruned(network=copy.deepcopy(unpruned))
    trained = prune_and_retrain(control, course(unpruned, Recorder(), shares, []), epochs=2, name="control").train
    assert (done.train.epochs, trained.epochs) == (5, 5)


def test_where_no_convolution_takes_in_what_left_nothing_is_said_to_be_refitted() -> None:
    torch.manual_seed(0)
    unpruned = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
    said: list[str] = []
    pruner = ChannelPruner(
        copy.deepcopy(unpruned), torch.zeros(1, 3, 12, 12), protected=["4"], choose=tuple,
        keep=lambda groups, scores, share: {"0": 4},
        score=lambda dependencies, groups: dependencies.scores("l1", groups),
    )  # fmt: skip
    done = prune_and_retrain(pruner, course(unpruned.eval(), Recorder(), (1.0,), said), epochs=1, name="net")
    assert (done.refitted, said, done.train.recipe) == (0, [], "nothing to refit; so")
