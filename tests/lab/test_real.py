"""The chapters on the real photos and digits, with the installed weights and with a ResNet18, briefly trained.

The bounds are far below what the whole lab reaches (``--profile quick`` trains for an epoch or two): they catch a
chapter that is broken, not one that is a point worse.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from petiole import api
from petiole.records import Results, Variant

pytestmark = [
    pytest.mark.real,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def _all_cores() -> Iterator[None]:
    """These runs have the whole machine, as the user's have: sums of floats depend on the number of threads, and by
    them whether a picture at the edge is called one way or the other."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0), torch.get_num_threads()
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    yield
    os.sched_setaffinity(0, before[0])
    torch.set_num_threads(before[1])


def rows_of(results: Results) -> dict[str, Variant]:
    assert results.failures == []
    return {row.key.removesuffix("-seed0"): row for row in results.variants}


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory, real_photos: Path, real_digits: Path) -> Results:
    return api.lab(
        data=real_photos, mnist=real_digits, out=tmp_path_factory.mktemp("lite"), backbone="efficientnet_lite0",
        offline=True, profile="quick", say=lambda _: None,
    )  # fmt: skip


def test_the_real_photos_are_checked_and_counted(lite: Results) -> None:
    photos = lite.data.photos
    assert photos is not None
    assert (photos.train, photos.test, photos.synthetic) == (244, 153, False)
    assert [Path(skipped.path).name for skipped in photos.skipped] == ["imageNotFound.gif"]
    assert lite.data.digits is not None
    assert (lite.data.digits.train, lite.data.digits.test) == (60_000, 10_000)


def test_transfer_beats_scratch_on_real_photos(lite: Results) -> None:
    rows = rows_of(lite)
    assert rows["CNNAdapted"].accuracy.value > 0.9
    assert rows["CNNOptimized"].accuracy.value > 0.9
    assert 0.5 < rows["CNNScratch"].accuracy.value < rows["CNNAdapted"].accuracy.value


def test_retraining_brings_back_what_pruning_cost(lite: Results) -> None:
    rows = rows_of(lite)
    assert rows["CNNPrunedGO-structured"].accuracy.correct > rows["CNNPrunedG-structured"].accuracy.correct
    for name in ("CNNPrunedF", "CNNPrunedG"):
        assert rows[f"{name}O"].accuracy.correct > rows[name].accuracy.correct
        # not compared with those just pruned: weights that were zero by chance, and are not masked, come to life
        assert rows[f"{name}O"].nonzero_parameters < rows["CNNOptimized"].nonzero_parameters


def test_int8_keeps_the_accuracy_of_real_photos_and_digits(lite: Results) -> None:
    rows = rows_of(lite)
    for name in ("CNNOptimized-static-int8-pt2e", "CNNOptimized-qat-int8-pt2e"):
        assert rows[name].accuracy.value > rows["CNNOptimized"].accuracy.value - 0.05
    assert rows["LeNet"].accuracy.value > 0.97
    for name in ("dynamic-int8-eager", "static-int8-eager", "qat-int8-eager", "static-int8-pt2e", "qat-int8-pt2e"):
        assert rows[f"LeNet-{name}"].accuracy.value > rows["LeNet"].accuracy.value - 0.01
        assert {time.runtime for time in rows[f"LeNet-{name}"].latency} >= {"openvino"}


def test_a_resnet18_goes_through_both_engines(tmp_path: Path, real_photos: Path, standin_weights: Path) -> None:
    results = api.lab(
        data=real_photos, out=tmp_path, weights=str(standin_weights), offline=True, profile="quick",
        stages=("transfer", "quantization"), say=lambda _: None,
    )  # fmt: skip
    rows = rows_of(results)
    assert results.run.backbone == "resnet18"
    gates = {key: row.gates["quantized_layers"] for key, row in rows.items() if "int8" in key}
    assert gates == {
        "CNNOptimized-static-int8-pt2e": "21/21",
        "CNNOptimized-qat-int8-pt2e": "21/21",
        "CNNOptimized-static-int8-eager": "21/21",
        "CNNOptimized-qat-int8-eager": "20/21",
    }
    for key in gates:
        assert rows[key].accuracy.value > rows["CNNOptimized"].accuracy.value - 0.06
        assert {"openvino"} <= {time.runtime for time in rows[key].latency}
    assert {"openvino", "onnxruntime", "torch"} == {
        time.runtime for time in rows["CNNOptimized-static-int8-eager"].latency
    }
