"""Rows of one run that contradict each other are not shown: what is wrong is said."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fabricated import results, variant, variants, versus
from petiole import api, records
from petiole.contradictions import contradiction
from petiole.errors import UserError
from petiole.record import Record

Raw = dict[str, Any]


def agreeing() -> records.Results:
    rows = [
        variant("CNNOptimized", 96, dataset="photos"),
        variant("CNNPrunedF", 60, parent="CNNOptimized", versus_parent=versus(38, 2)),
        variant("LeNet", 990, dataset="digits"),
    ]
    comparison = records.Comparison(
        variant="CNNPrunedF", against="CNNOptimized", engine="torch", seed=0, lost=36, gained=0, mcnemar_p=0.0
    )
    return results(rows, comparisons=[comparison])


def of_variant(at: int, **changes: Any) -> Callable[[Raw], object]:
    return lambda raw: raw["variants"][at].update(changes)


def judged(correct: int, total: int) -> Raw:
    return variant("x", 96).accuracy.model_dump() | {
        "correct": correct, "total": total, "value": correct / total, "ci95": [0.0, 1.0]
    }  # fmt: skip


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (
            of_variant(1, accuracy=judged(61, 100)),
            "classifies 61 correctly and CNNOptimized 96, which 2 gained and 38 lost",
        ),
        (of_variant(1, accuracy=judged(2, 4), versus_parent=None), "CNNPrunedF is judged on 4 photos, CNNOptimized on"),
        (lambda raw: raw["data"].update(photos=None), "CNNOptimized is judged on photos, and the run has none"),
        (lambda raw: raw["data"]["photos"].update(test=7), "is judged on 100 photos, and the run has 7"),
        (lambda raw: raw["data"]["photos"].update(classes=["a", "b"]), "is judged on other classes than a, b"),
        (of_variant(0, dataset="bananas"), "judged on bananas, which is neither photos nor digits"),
        (of_variant(0, parent="CNNOptimized"), "CNNOptimized is its own parent"),
        (lambda raw: raw["comparisons"][0].update(lost=10**14, gained=10**14 - 36), "do not differ by"),
        (lambda raw: raw["comparisons"][0].update(variant="nothing"), "one of them is not there"),
        (lambda raw: raw["demos"]["lstm"].update(int8_p50_ms=None), "the demo lstm does not fit at int8_p50_ms"),
        (lambda raw: raw["demos"]["dtype"].update(weight_int8=[[1.0]]), "the weights are not as many in float32 as"),
    ],
)
def test_it_is_said_and_no_report_is_made(damage: Callable[[Raw], object], words: str, tmp_path: Path) -> None:
    raw = json.loads(records.to_json(agreeing()))
    damage(raw)
    (tmp_path / "results.json").write_text(json.dumps(raw), encoding="utf-8")
    with pytest.raises(UserError, match=words) as caught:
        api.report(tmp_path)
    assert str(tmp_path / "results.json") in str(caught.value)
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("found", [agreeing(), results(variants())], ids=["small", "made up"])
def test_what_agrees_is_shown(found: records.Results) -> None:
    assert contradiction(found) == ""


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (records.Latency, {"p25_ms": 900.0, "p50_ms": 5.0, "p75_ms": 1.0}),
        (records.Latency, {"samples": -5}),
        (records.Train, {"epochs": 3, "converged_epoch": 60}),
        (records.Train, {"seconds": -9.0}),
        (records.Epoch, {"train_accuracy": 7.0}),
        (records.Epoch, {"epoch": 2**64}),
        (records.Stage, {"images_per_s": -1.0}),
        (records.CurvePoint, {"correct": 900}),
        (records.CurvePoint, {"total": 0, "correct": 0}),
        (records.Accuracy, {"by_class": {"ants": 5.0}}),
    ],
)
def test_numbers_that_cannot_be_are_refused(kind: type[Record], values: Raw) -> None:
    made = agreeing()
    whole = {
        records.Latency: records.Latency(runtime="torch", batch=1, threads=1, p50_ms=2.0, p90_ms=3.0, samples=9),
        records.Train: records.Train(epochs=3, converged_epoch=2, seconds=1.0),
        records.Epoch: records.Epoch(epoch=1, loss=0.5),
        records.Stage: records.Stage(name="lenet", seed=0, seconds=1.0),
        records.CurvePoint: results().curves[0],
        records.Accuracy: made.variants[0].accuracy,
    }[kind]
    kind.model_validate(whole.model_dump())
    with pytest.raises(ValueError, match="1 validation error"):
        kind.model_validate(whole.model_dump() | values)
