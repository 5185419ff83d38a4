"""The whole lab on a few drawn photos and the embedded digits: every variant, every gate, and resuming."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from petiole import api
from petiole.deployed import read
from petiole.lab.timing import PROFILED
from petiole.records import Results, read_results

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

FLOAT = ["CNNScratch", "CNNAdapted", "CNNOptimized", "CNNPrunedF", "CNNPrunedFO", "CNNPrunedG", "CNNPrunedGO"]
MAGNITUDE = ["CNNPrunedF-magnitude", "CNNPrunedFO-magnitude", "CNNPrunedG-magnitude", "CNNPrunedGO-magnitude"]
STRUCTURED = [
    "CNNPrunedG-structured", "CNNPrunedGO-structured", "CNNPrunedGO-structured-static-int8", "LeNet-structured",
]  # fmt: skip
INT8 = ["CNNOptimized-static-int8", "CNNOptimized-qat-int8", "LeNet-static-int8", "LeNet-qat-int8"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results, list[str]]:
    """One quick run, then the same command again: the second takes every stage from the first."""
    out = tmp_path_factory.mktemp("lab")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PETIOLE_CACHE", str(tmp_path_factory.mktemp("cache")))
        arguments = {"data": Path("synthetic"), "out": out, "offline": True, "profile": "quick", "count": 40}
        first = api.lab(backbone="efficientnet_lite0", author=["A & B"], say=lambda _: None, **arguments)  # type: ignore[arg-type]
        told: list[str] = []
        again = api.lab(backbone="efficientnet_lite0", author=["A & B"], say=told.append, **arguments)  # type: ignore[arg-type]
    assert again.variants == first.variants
    return out, first, told


def test_every_variant_has_a_row_and_nothing_failed(run: tuple[Path, Results, list[str]]) -> None:
    _, results, _ = run
    assert results.failures == []
    names = {variant.name for variant in results.variants}
    assert names >= {*FLOAT, *MAGNITUDE, *STRUCTURED, *INT8, "LeNet", "LeNet-dynamic-int8", "CNNOptimized-fused"}
    assert results.data.photos is not None
    assert results.data.photos.synthetic


def test_the_gates_hold_their_figures(run: tuple[Path, Results, list[str]]) -> None:
    _, results, _ = run
    rows = {variant.key: variant for variant in results.variants}
    assert rows["CNNPrunedGO-seed0"].gates["sparsity"] == pytest.approx(0.3, abs=5e-3)
    assert rows["CNNOptimized-static-int8-pt2e-seed0"].gates["quantized_layers"] == "50/50"
    assert rows["CNNOptimized-qat-int8-pt2e-seed0"].gates["int8_compiled"] == "50/50"
    pruned = rows["CNNPrunedG-seed0"]
    assert pruned.sparse_bytes is not None
    assert pruned.dense_bytes is not None
    assert pruned.sparse_bytes <= (0.7 + 1 / 32 + 0.02) * pruned.dense_bytes
    structured, int8 = rows["CNNPrunedGO-structured-seed0"], rows["CNNPrunedGO-structured-static-int8-pt2e-seed0"]
    assert structured.macs <= 0.45 * rows["CNNOptimized-seed0"].macs
    assert structured.gates["macs_left"] == pytest.approx(structured.macs / rows["CNNOptimized-seed0"].macs, abs=1e-6)
    assert structured.file_bytes < 0.6 * rows["CNNOptimized-seed0"].file_bytes
    assert int8.gates["quantized_layers"] == "50/50"
    assert 0.15 < rows["LeNet-structured-seed0"].gates["parameters_left"] <= 0.25
    assert rows["CNNOptimized-static-int8-pt2e-seed0"].file_bytes <= 0.3 * rows["CNNOptimized-seed0"].file_bytes


def test_what_figures_are_drawn_from_is_recorded(run: tuple[Path, Results, list[str]]) -> None:
    out, results, _ = run
    rows = {variant.key: variant for variant in results.variants}
    for row in rows.values():
        assert row.histogram is not None
        if row.versus_parent is not None:
            lost = sum(not flip.is_gain for flip in row.flips)
            assert (lost, len(row.flips) - lost) == (row.versus_parent.lost, row.versus_parent.gained)
    masked, whole, int8 = (
        rows[key].histogram for key in ("CNNPrunedG-seed0", "CNNOptimized-seed0", "CNNOptimized-static-int8-pt2e-seed0")
    )
    assert masked is not None
    assert whole is not None
    assert int8 is not None
    weights = sum(masked.counts) + masked.outside + masked.zeros
    assert masked.zeros / weights == pytest.approx(0.3, abs=5e-3), "of the deployed file, as the gate says"
    assert whole.zeros / weights < 0.01
    assert int8.levels <= 255 < whole.levels
    layers = [each.layer for each in results.layer_errors if each.variant == "CNNOptimized-static-int8"]
    assert len(layers) == len(set(layers)) == 50
    assert all(0 < each.error < 1 for each in results.layer_errors)
    assert results.data.photos is not None
    assert results.data.photos.digest
    assert sum(each.sample for each in results.thumbnails) == 12, "six of each class"
    assert all((out / each.file).is_file() for each in results.thumbnails)
    flipped = {flip.picture for row in results.variants if row.dataset == "photos" for flip in row.flips[:12]}
    assert {each.number for each in results.thumbnails if each.split == "test"} == flipped


def test_pruned_networks_are_rebuilt_from_their_plan_and_go_on_training(run: tuple[Path, Results, list[str]]) -> None:
    out, _, _ = run
    deployed = read(out / "artifacts/CNNPrunedGO-structured")
    assert deployed.open("torch", threads=2).name == "torch"  # gives what it gave where it was made
    network = api.network(deployed.directory)
    lenet = read(out / "artifacts/LeNet-structured")
    assert lenet.open("torch", threads=2).name == "torch"
    before = network.get_parameter("conv_stem.weight").detach().clone()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    network.train()(torch.randn(2, 3, 224, 224)).square().sum().backward()
    optimizer.step()
    assert not torch.equal(network.get_parameter("conv_stem.weight"), before)


def test_a_pruned_artifact_is_rebuilt_in_a_fresh_process(run: tuple[Path, Results, list[str]], tmp_path: Path) -> None:
    """On torch the network is cut again as its plan says; the check of its answers has passed when there is a row."""
    Image.new("RGB", (300, 240), "olive").save(tmp_path / "photo.jpg")
    artifact = run[0] / "artifacts/CNNPrunedGO-structured"
    command = ["predict", str(artifact), str(tmp_path / "photo.jpg"), "--runtime", "torch", "--json"]
    done = subprocess.run([sys.executable, "-m", "petiole", *command], capture_output=True, text=True, check=True)
    (row,) = json.loads(done.stdout)["rows"]
    assert row["label"] in ("ants", "bees")
    again = (
        "import sys, torch; from pathlib import Path; from petiole import api;"
        "network = api.network(sys.argv[1]);"
        "network.train()(torch.randn(2, 3, 224, 224)).sum().backward();"
        "print(sum(each.grad is not None for each in network.parameters()), len(list(network.parameters())))"
    )
    done = subprocess.run([sys.executable, "-c", again, str(artifact)], capture_output=True, text=True, check=True)
    with_gradient, parameters = done.stdout.split()
    assert with_gradient == parameters


def test_the_profiler_has_looked_at_masks_and_at_fewer_channels(run: tuple[Path, Results, list[str]]) -> None:
    variants = run[1].variants
    profiled = [row for row in variants if row.profile]
    photos = {row.name for row in profiled if row.dataset == "photos" and row.engine == "torch"}
    assert photos == {name for name in PROFILED if name in {row.name for row in variants}}
    rest = {(row.name, row.engine) for row in profiled} - {(name, "torch") for name in photos}
    assert rest == {("LeNet", "torch"), *((row.name, row.engine) for row in variants if row.engine == "eager")}
    for row in profiled:
        assert row.profile_ms is not None
        assert row.profile_p25_ms is not None
        assert row.profile_p75_ms is not None
        assert 0 < row.profile_p25_ms <= row.profile_ms <= row.profile_p75_ms
        assert sum(each.self_cpu_ms for each in row.profile) <= row.profile_ms * (1 + 1e-9)


def test_the_run_directory_is_complete(run: tuple[Path, Results, list[str]]) -> None:
    out, results, _ = run
    assert read_results(out).variants == results.variants
    assert (out / "report.html").stat().st_size > 10_000
    assert "results.json" in (out / "Readme.txt").read_text(encoding="utf-8")
    card = json.loads((out / "artifacts/CNNPrunedGO/artifact.json").read_text(encoding="utf-8"))
    assert card["classes"] == ["ants", "bees"]
    assert set(card["sha256"]) == {"model.onnx", "weights.safetensors", "weights.sparse"}


def test_a_second_run_does_nothing_twice(run: tuple[Path, Results, list[str]]) -> None:
    _, _, told = run
    assert sum("finished earlier" in line for line in told) == 6
    assert not any("epoch" in line for line in told)


def test_every_question_is_answered(run: tuple[Path, Results, list[str]]) -> None:
    _, results, _ = run
    assert {answer.id for answer in results.answers} >= {"3.1", "3.2", "3.3", "3.4.2", "3.4.3"}
    assert all(answer.answer for answer in results.answers)
