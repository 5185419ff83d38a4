"""How many times as fast: ratios of raw timings against the float network that each one comes from."""

import json
from pathlib import Path

import pytest

from fabricated import replaced, results, variant, variants
from petiole.evidence import groups
from petiole.lab.answers import answer
from petiole.lab.timing import ratios
from petiole.records import TimeRatio
from petiole.report.headline import headline
from petiole.stats import median_ratio_interval

STEADY = {
    "CNNOptimized-seed0 openvino": [4.0] * 50, "CNNOptimized-seed0 torch": [16.0] * 60,
    "CNNPrunedF-seed0 openvino": [5.0] * 50, "CNNPrunedFO-seed0 openvino": [2.0] * 50,
    "CNNPrunedFO-seed0 onnxruntime": [2.5] * 50, "CNNScratch-seed0 openvino": [1.0] * 50,
    "CNNOptimized-seed0 onnxruntime": [5.0] * 50,
}  # fmt: skip


def written(run: Path, raw_ms: dict[str, list[float]]) -> Path:
    (run / "latency").mkdir(exist_ok=True)
    (run / "latency" / "batch1.json").write_text(json.dumps(raw_ms), encoding="utf-8")
    return run


def test_ratios_are_those_of_the_medians_against_the_ancestor(tmp_path: Path) -> None:
    rows = [
        variant("CNNScratch", 70), variant("CNNOptimized", 96), variant("CNNPrunedF", 60, parent="CNNOptimized"),
        variant("CNNPrunedFO", 95, parent="CNNPrunedF"),
    ]  # fmt: skip
    found = ratios(written(tmp_path, STEADY), rows, rounds=20, seed=0)

    def steady(runtime: str, against_runtime: str, ratio: float) -> TimeRatio:
        return TimeRatio(runtime=runtime, against="CNNOptimized", against_runtime=against_runtime, ratio=ratio,
                         low=ratio, high=ratio)  # fmt: skip

    assert found == {
        "CNNPrunedF-seed0": [steady("openvino", "openvino", 0.8), steady("openvino", "torch", 3.2)],
        "CNNPrunedFO-seed0": [steady("openvino", "openvino", 2.0), steady("openvino", "torch", 8.0),
                              steady("onnxruntime", "onnxruntime", 2.0)],
    }  # fmt: skip
    assert ratios(tmp_path, rows, rounds=9, seed=0) == {}, "too few to tell how well a ratio is known"


def test_int8_of_the_narrowed_network_is_compared_with_int8_of_the_whole_one(tmp_path: Path) -> None:
    narrow, whole = "CNNPrunedGO-structured-static-int8", "CNNOptimized-static-int8"
    rows = [variant(whole, 95, engine="pt2e", parent="CNNOptimized"), variant(narrow, 94, engine="pt2e")]
    raw = {f"{rows[0].key} openvino": [3.0] * 50, f"{rows[1].key} openvino": [2.0] * 50}
    (one,) = ratios(written(tmp_path, raw), rows, rounds=20, seed=0)[rows[1].key]
    assert (one.runtime, one.against, one.against_runtime, one.ratio) == ("openvino", whole, "openvino", 1.5)


def test_the_interval_is_that_of_the_bootstrap(tmp_path: Path) -> None:
    raw = {"LeNet-seed1 openvino": [1.0, 1.2, 1.1, 1.4, 1.0] * 2,
           "LeNet-qat-seed1 openvino": [0.5, 0.9, 0.7, 0.6, 0.5] * 2}  # fmt: skip
    rows = [variant("LeNet", 990, dataset="digits", seed=1),
            variant("LeNet-qat", 990, dataset="digits", seed=1, parent="LeNet")]  # fmt: skip
    (one,) = ratios(written(tmp_path, raw), rows, rounds=20, seed=7)["LeNet-qat-seed1"]
    assert (one.ratio, one.low, one.high) == median_ratio_interval(*raw.values(), rounds=20, seed=7)
    assert one.ratio == pytest.approx(1.1 / 0.6)
    assert one.low < one.ratio < one.high
    few = {name: row[:9] for name, row in raw.items()}
    assert ratios(written(tmp_path, few), rows, rounds=20, seed=7) == {}


def test_digits_have_ratios_of_batches_too_and_photos_have_none(tmp_path: Path) -> None:
    """Batches of photos are timed one network after the other, not in the same rounds."""
    (tmp_path / "latency").mkdir()
    raw = {"LeNet-seed0 openvino": [2.0] * 20, "LeNet-qat-seed0 openvino": [5.0] * 20,
           "CNNOptimized-seed0 openvino": [4.0] * 20, "CNNPrunedF-seed0 openvino": [2.0] * 20}  # fmt: skip
    (tmp_path / "latency" / "batch32.json").write_text(json.dumps(raw), encoding="utf-8")
    rows = [variant("LeNet", 990, dataset="digits"), variant("LeNet-qat", 990, dataset="digits", parent="LeNet"),
            variant("CNNOptimized", 96), variant("CNNPrunedF", 60, parent="CNNOptimized")]  # fmt: skip
    found = ratios(tmp_path, rows, rounds=20, seed=0)
    assert found == {"LeNet-qat-seed0": [
        TimeRatio(runtime="openvino", against="LeNet", against_runtime="openvino", batch=32, ratio=0.4, low=0.4,
                  high=0.4)
    ]}  # fmt: skip
    (group,) = groups([rows[1].model_copy(update={"time_ratios": found["LeNet-qat-seed0"]})])
    assert group.time_ratio("openvino", "LeNet", "openvino", batch=32) == (0.4, 0.4, 0.4)
    assert group.time_ratio("openvino", "LeNet", "openvino") is None


def test_without_raw_timings_there_are_none(tmp_path: Path) -> None:
    assert ratios(tmp_path, [variant("CNNOptimized", 96)], rounds=20, seed=0) == {}


def test_of_several_seeds_the_median_and_the_outermost_ends() -> None:
    rows = [
        variant("small", 90, seed=seed, time_ratios=[
            TimeRatio(runtime="openvino", against="whole", against_runtime="torch", ratio=ratio, low=ratio - 0.5,
                      high=ratio + 0.5)
        ])
        for seed, ratio in enumerate((2.0, 3.0, 7.0))
    ]  # fmt: skip
    (group,) = groups(rows)
    assert group.time_ratio("openvino", "whole", "torch") == (3.0, 1.5, 7.5)
    assert group.time_ratio("openvino", "whole", "openvino") is None


def test_the_headline_gives_ratios_of_times_with_their_intervals() -> None:
    there, eager = (
        TimeRatio(runtime="openvino", against="CNNOptimized", against_runtime=runtime, ratio=ratio, low=low, high=high)
        for runtime, ratio, low, high in (("openvino", 5.0, 4.8, 5.25), ("torch", 0.1, 0.08, 0.125))
    )
    rows = [row for row in variants() if row.name != "CNNOptimized-qat-int8"]
    (_, int8, *_) = headline(results(replaced("CNNOptimized-static-int8", rows, time_ratios=[there, eager])))
    assert "for CNNOptimized there (5.00x as fast, 95% interval 4.80x to 5.25x) and" in int8
    assert (
        "in eager PyTorch (10.00x as slow, 95% interval 8.00x to 12.50x); the latter is int8, folded BatchNorm and the "
        "change of runtime together. Its file" in int8
    )


def test_an_answer_gives_the_ratio_with_its_interval() -> None:
    there = TimeRatio(
        runtime="openvino", against="CNNOptimized", against_runtime="openvino", ratio=5.0, low=4.8, high=5.25
    )
    rows = replaced("CNNOptimized-static-int8", variants(), time_ratios=[there])
    (found,) = [each for each in answer(results(rows)) if each.id == "3.4.2"]
    assert (
        "2.00 ms (1.90-2.10) instead of 10.0 ms (9.90-10.1), 5.00x as fast, 95% interval 4.80x to 5.25x)"
        in found.answer
    )
