"""Which recipe is trained in full next, and which ones are made in the end."""

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fabricated import accuracy, variant
from petiole.records import Accuracy, VersusParent
from petiole.search.limits import Limits
from petiole.search.look import log_loss, pooled
from petiole.search.promise import finalists, holds, promising
from petiole.search.recipe import Recipe
from petiole.search_records import Candidate

FASTEST = Limits(objective="latency", max_drop=0.02)


def candidate(size_px: int, ms: float, loss: float, lost: int, *, retrained: bool = False, **more: Any) -> Candidate:
    recipe = Recipe(backbone="resnet18", size_px=size_px)
    accuracy = Accuracy(correct=98 - lost, total=100, value=0.98 - lost / 100, ci95=(0.0, 1.0), by_class={})
    return Candidate(**{
        "name": recipe.name, "recipe": recipe.model_dump(), "retrained": retrained, "accuracy": accuracy,
        "versus": VersusParent(lost=lost, gained=0, mcnemar_p=1.0), "log_loss": loss, "p50_ms": ms,
        "relative_time": ms / 4, "reference_ms": 4.0, "runtime": "openvino", "file_bytes": 1000, "macs": 10,
        "parameters": 5, **more,
    })  # fmt: skip


LOOKED = [
    candidate(224, 3.0, 0.10, 0), candidate(192, 2.0, 0.12, 1), candidate(160, 1.5, 0.15, 3),
    candidate(128, 1.0, 0.30, 12), candidate(96, 2.5, 0.20, 1),
]  # fmt: skip


def following(trained: list[Candidate], limits: Limits = FASTEST, **more: Any) -> Recipe | None:
    taken = {Recipe(**each.recipe) for each in trained} | more.pop("gone", set())
    return promising(LOOKED, trained, limits, taken=taken, **more)


def next_size(trained: list[Candidate], limits: Limits = FASTEST, **more: Any) -> int | None:
    recipe = following(trained, limits, **more)
    return recipe.size_px if recipe else None


def test_the_cheapest_that_holds_at_first_look_comes_first() -> None:
    assert next_size([]) == 192


def test_where_it_holds_a_cheaper_one_is_next_and_where_not_a_costlier_one() -> None:
    assert next_size([candidate(192, 2.0, 0.1, 1, retrained=True)]) == 160
    assert next_size([candidate(192, 2.0, 0.1, 9, retrained=True)]) == 224


def test_what_the_paired_interval_rules_out_or_another_beats_is_never_trained() -> None:
    """12 of 100 lost: the interval of the difference ends below -2 points and the 3 that training may bring back.
    96 pixels are slower and worse than 192."""
    trained = [candidate(192, 2.0, 0.1, 1, retrained=True), candidate(160, 1.5, 0.1, 1, retrained=True)]
    assert next_size(trained) is None


def test_where_even_the_costliest_fails_what_is_left_is_tried() -> None:
    assert next_size([candidate(192, 2.0, 0.1, 9, retrained=True), candidate(224, 3.0, 0.1, 9, retrained=True)]) == 160


def test_where_accuracy_counts_the_lowest_log_loss_is_next() -> None:
    limits = Limits(objective="accuracy", max_drop=None, max_latency_ms=2.5)
    assert next_size([], limits) == 192
    static = candidate(192, 2.0, 0.01, 0, retrained=True)
    assert next_size([static], limits) == 160
    done = {Recipe(backbone="resnet18", size_px=each) for each in (224, 160, 128, 96)}
    assert next_size([static], limits, gone=done) is None
    kinds = ("static", "qat", "mixed")
    last = following([static], limits, gone=done, quantizations=kinds)
    assert last == Recipe(backbone="resnet18", size_px=192, quantization="qat")
    assert following([static], limits, gone={*done, last}, quantizations=kinds) is None, (
        "mixed is static where it holds"
    )


def test_what_could_not_be_made_is_passed_over() -> None:
    assert next_size([], gone={Recipe(backbone="resnet18", size_px=192)}) == 224


def test_where_static_int8_fails_the_other_ways_are_tried() -> None:
    failed = [candidate(192, 2.0, 0.05, 9, retrained=True), candidate(224, 3.0, 0.04, 9, retrained=True)]
    kinds = ("static", "qat", "mixed")
    first = following(failed, quantizations=kinds)
    assert first == Recipe(backbone="resnet18", size_px=224, quantization="qat")
    second = following(failed, quantizations=kinds, gone={first})
    assert second == Recipe(backbone="resnet18", size_px=224, quantization="mixed")
    assert next_size(failed, quantizations=("static",)) == 160


def test_what_breaks_a_limit_by_far_is_not_trained() -> None:
    assert next_size([], Limits(objective="accuracy", max_drop=0.02, max_latency_ms=1.95)) == 192  # within 3%
    assert next_size([], Limits(objective="latency", max_drop=None, max_latency_ms=1.4)) == 128
    assert next_size([], Limits(max_bytes=10)) is None


@pytest.mark.parametrize(
    ("limits", "lost", "expected"),
    [
        (Limits(max_drop=0.02), 2, True), (Limits(max_drop=0.02), 3, False),
        (Limits(max_drop=None, min_accuracy=0.95), 3, True), (Limits(max_drop=None, min_accuracy=0.95), 4, False),
        (Limits(max_drop=None, max_macs=9), 0, False),
    ],
)  # fmt: skip
def test_limits_hold_on_the_held_out_photos(limits: Limits, lost: int, expected: bool) -> None:
    assert holds(candidate(224, 1.0, 0.1, lost), limits) == expected


def test_finalists_keep_the_limits_and_come_best_first() -> None:
    trained = [candidate(224, 3.0, 0.1, 0, retrained=True), candidate(192, 2.0, 0.2, 1, retrained=True)]
    assert [each.size_px for each in finalists([*LOOKED, *trained], FASTEST)] == [192, 224]
    assert [each.size_px for each in finalists(LOOKED, FASTEST)] == [192, 96, 224], "none was trained: all count"


def test_where_none_keeps_the_limits_the_nearest_are_made() -> None:
    strict = Limits(max_drop=None, min_accuracy=0.999)
    assert [each.size_px for each in finalists(LOOKED, strict)] == [224, 192, 96, 160, 128]


def test_the_nearest_are_those_that_are_least_over_the_limits() -> None:
    tiny = Limits(max_drop=None, max_latency_ms=0.5)
    assert [each.size_px for each in finalists(LOOKED, tiny)] == [128, 160, 192, 96, 224]


def test_photos_of_several_folds_count_together() -> None:
    rows = [
        cast(Any, SimpleNamespace(accuracy=Accuracy(
            correct=right, total=10, value=right / 10, ci95=(0.0, 1.0), by_class={"a": share},
            confusion=[[right - 3, 0], [10 - right, 3]],
        ))) for right, share in ((9, 0.8), (7, 0.6))
    ]  # fmt: skip
    together = pooled(rows)
    assert (together.correct, together.total, together.value) == (16, 20, 0.8)
    assert together.confusion == [[10, 0], [4, 6]]
    assert together.by_class["a"] == pytest.approx(0.7)


def test_log_loss_by_hand(tmp_path: Path) -> None:
    """Right at 0.8, wrong at 0.9, sure at 1.0 (which counts as 0.99995)."""
    stored = {"labels": [0, 1, 1], "predicted": [0, 0, 1], "probability": [0.8, 0.9, 1.0]}
    (tmp_path / "p.json").write_text(json.dumps(stored), encoding="utf-8")
    part = SimpleNamespace(rundir=SimpleNamespace(path=tmp_path))
    expected = -(math.log(0.8) + math.log(0.1) + math.log(0.99995)) / 3
    found = log_loss(cast(Any, part), variant("A", 2, accuracy=accuracy(2, 3), predictions="p.json"))
    assert found == pytest.approx(expected)
