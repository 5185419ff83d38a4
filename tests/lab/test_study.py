"""The study on a small network: what it measures, and what it makes of an amount that cannot be reached."""

from typing import Any, cast

import pytest
import torch
from torch import nn

from petiole import api
from petiole.chain.channel_pruner import inner_pruner
from petiole.chain.prune_retrain import Course
from petiole.data.folder import open_photos
from petiole.lab import sensitivity, structured, study
from petiole.lab.bench import Bench, ChapterResult
from petiole.lab.config import LabConfig
from petiole.models.backbones import Backbone
from petiole.models.weights import Weights
from petiole.preprocessing import Preprocessing
from petiole.pruning.channels import NOTHING_LEAVES
from petiole.pruning.refit import trace
from petiole.recipes import quick
from petiole.records import Epoch, Train

SMALL = Preprocessing(size_px=16, resize_px=16, mean=(0.5,) * 3, std=(0.5,) * 3)


class Tiny(nn.Module):
    """Two convolutions of 32 channels behind the first one, and an output layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 32, 3, padding=1)
        self.third, self.fc = nn.Conv2d(32, 32, 3, padding=1), nn.Linear(32, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """``(N, 2)``."""
        logits: torch.Tensor = self.fc(self.third(self.second(self.first(images)).relu()).relu().mean((2, 3)))
        return logits


class Retraining:
    """Changes nothing, and counts for how many epochs it should have."""

    def __init__(self) -> None:
        self.epochs: dict[str, int] = {}

    def __call__(self, network: nn.Module, *, epochs: int, name: str, **_: Any) -> Train:
        self.epochs[name] = epochs
        history = [Epoch(epoch=at, loss=1.0) for at in range(1, epochs + 1)]
        return Train(epochs=epochs, converged_epoch=1, seconds=1.0, images_per_s=1.0, history=history, recipe="none")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = api.draw(tmp_path_factory.mktemp("photos") / "drawn", count=24)
    return open_photos(root, source="synthetic", synthetic=True, seed=0)


def made(photos: Any, **changes: Any) -> tuple[Bench, Course, Retraining]:
    bench = Bench(
        config=LabConfig(**{"effort": quick(), **changes}), line=cast(Any, None),
        backbone=Backbone(name="tiny", preprocessing=SMALL),
        weights=Weights(state=None, source="random", pretrained=False), digits=None, say=lambda _: None, photos=photos,
    )  # fmt: skip
    torch.manual_seed(0)
    network, retraining = Tiny().eval(), Retraining()
    course = Course(
        unpruned=network, traced=trace(network, bench.train_inputs()[:2]), inputs=bench.refit_inputs(0),
        retrain=retraining, shares=(1.0,), seed=0, say=bench.say,
    )  # fmt: skip
    return bench, course, retraining


def test_all_methods_are_retrained_alike_and_the_control_too(photos: Any) -> None:
    bench, course, retraining = made(photos)
    result = ChapterResult()
    study.run(bench, course, result)
    assert result.failures == []
    found = {(point.method, point.amount, point.retrained) for point in result.curves}
    amounts = bench.config.effort.study_amounts
    channels = ("structured", "structured-random")
    retrained = {(method, amount, True) for method in ("random", "magnitude", *channels) for amount in amounts}
    cut = {(method, amount, False) for method in channels for amount in amounts}
    assert found == {("control", 0.0, True), *cut, *retrained}
    assert set(retraining.epochs.values()) == {bench.config.effort.retrain_global_epochs}
    reached = [(point.amount, point.sparsity) for point in result.curves if point.method == "structured"]
    assert all(amount <= gone < amount + 0.25 for amount, gone in reached), "multiply-accumulates that are gone"
    kinds = {(row.kind, row.name) for row in result.sensitivities}
    assert kinds >= {("channels", "second"), ("channels", "third"), ("weights", "first"), ("weights", "fc")}
    assert ("channels", "first") not in kinds


def test_an_amount_that_cannot_be_reached_is_recorded_and_no_failure(photos: Any) -> None:
    bench, course, _ = made(photos, effort=quick().model_copy(update={"study_amounts": (0.99, 0.5)}))
    result = ChapterResult()
    study.run(bench, course, result)
    assert result.failures == [], "the chapter is done"
    limit, by_chance = result.unreached
    assert (limit.method, limit.amount) == ("structured", 0.99)
    assert (by_chance.method, by_chance.amount, by_chance.most) == ("structured-random", 0.99, limit.most)
    # a position costs 3 * 8 * 9, 8 * 32 * 9 and 32 * 32 * 9, and 8, 16 and 16 channels may stay; fc: 64 in all, 32
    whole, least = 256 * 9 * (24 + 256 + 1024) + 64, 256 * 9 * (24 + 128 + 256) + 32
    assert limit.most == pytest.approx(1 - least / whole)
    assert {point.method for point in result.curves if point.amount == 0.99} == {"random", "magnitude"}
    assert ("structured", 0.5) in {(point.method, point.amount) for point in result.curves}


def test_a_network_whose_channels_cannot_leave_is_a_row_and_the_rest_goes_on(
    photos: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("petiole.chain.channel_pruner.behind_first", lambda *_, **__: ())
    bench, course, _ = made(photos)
    result = ChapterResult()
    study.run(bench, course, result)
    assert [(row.variant, row.why) for row in result.failures] == [
        ("study: sensitivity of channels", f"{NOTHING_LEAVES}: choose another --backbone")
    ]
    assert {point.method for point in result.curves} == {"control", "random", "magnitude"}
    assert {row.kind for row in result.sensitivities} == {"weights"}


def test_sensitivity_is_measured_in_the_multiples_in_which_channels_leave(photos: Any) -> None:
    """A quarter of 32 channels is 8, which rounds to none in multiples of 16."""
    bench, course, _ = made(photos, effort=quick().model_copy(update={"sensitivity_amounts": (0.25, 0.5)}))
    whole = inner_pruner(bench, course.unpruned, course.seed, left=0.5)
    rows = sensitivity.of_channels(bench, whole, course.seed)
    assert {(row.asked, row.removed) for row in rows} == {(0.25, 0), (0.5, 16)}


def test_channels_are_spread_by_what_was_measured(photos: Any) -> None:
    bench, course, _ = made(photos, spread="sensitivity")
    result = ChapterResult()
    damage = structured.measured_damage(bench, course, result)
    assert damage is not None
    assert set(damage) == {"second", "third"}
    photos_apart = len(bench.photo_data().train.labels) - len(bench.photo_data().train.labels) // 2
    assert {row.total for row in result.sensitivities} == {photos_apart}
    shown = sensitivity.choosing(bench, course.seed, damage)
    assert max(bench.config.effort.sensitivity_amounts) == 0.75, "as petiole lab --help says"
    assert {max(share for share, _ in found) for found in damage.values()} == {0.5}, "16 of 32 in multiples of 16"
    assert shown is not None
    assert len(shown[1]) == len(bench.photo_data().train.labels) // 2, "the others have judged the damage"
    cutting = inner_pruner(bench, course.unpruned, course.seed, left=0.7, damage=damage, shown=shown)
    cutting.prune(1.0)
    assert set(cutting.removed) <= {"second", "third"}


def test_channels_at_random_are_not_retrained_twice_where_all_are_chosen_so(photos: Any) -> None:
    bench, course, _ = made(photos, importance="random", effort=quick().model_copy(update={"study_amounts": (0.5,)}))
    result = ChapterResult()
    study.run(bench, course, result)
    assert {point.method for point in result.curves} == {"control", "random", "magnitude", "structured"}


def test_a_share_of_the_channels_leaves_where_it_is_asked_for(photos: Any) -> None:
    """Half of 32 channels of each of two groups, however little of the multiply-accumulates that leaves."""
    bench, course, _ = made(photos, spread="uniform", channels=0.5)
    cutting = inner_pruner(bench, course.unpruned, course.seed, left=0.9, channels=0.5)
    cutting.prune(1.0)
    assert {name: len(channels) for name, channels in cutting.removed.items()} == {"second": 16, "third": 16}
