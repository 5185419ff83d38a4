"""How fast artifacts are: timed side by side against the float network that they come from."""

import io
import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from judged import INT8, changed, quiet
from petiole import api
from petiole.bench.latency import summarize
from petiole.bench.load import Load
from petiole.bench.machine import cpu_name
from petiole.deploy.artifact import sealed
from petiole.errors import UserError
from petiole.inference.bench import _speedup
from petiole.inference_records import Speedup
from petiole.records import Latency
from petiole.report.terminal import print_benchmark

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


def test_bench_compares_with_the_float_parent_in_eager_torch(judged_run: Path) -> None:
    result = api.bench(
        [judged_run / "artifacts" / INT8], runtime="openvino", against=["onnxruntime"], threads=1, samples=40, say=quiet
    )
    assert [(row.name, row.latency.runtime) for row in result.rows] == [
        ("CNNScratch", "torch"), (INT8, "openvino"), (INT8, "onnxruntime"),
    ]  # fmt: skip
    assert result.rows[0].speedup is None
    for row in result.rows[1:]:
        assert row.latency.samples >= 40
        assert row.speedup is not None
        assert row.speedup.low <= row.speedup.high
    assert result.rows[1].file_bytes < result.rows[0].file_bytes / 2
    assert result.rows[0].images_per_s == pytest.approx(1000 / result.rows[0].latency.p50_ms)


def test_the_record_says_why_a_runtime_was_picked_and_which_row_is_the_reference(judged_run: Path) -> None:
    said: list[str] = []
    directory = judged_run / "artifacts" / INT8
    result = api.bench([directory], threads=1, samples=2, say=said.append)
    content = json.loads(result.model_dump_json())
    picked = content["rows"][1]["latency"]["runtime"]
    assert content["notes"] == said
    (note,) = said
    assert note.startswith(f"runtime: {picked}, the fastest here for {directory} (median of one picture: {picked} ")
    assert [row["label"] for row in content["rows"]] == ["CNNScratch torch", f"{INT8} {picked}"]
    assert content["reference"] == content["rows"][0]["label"]
    assert api.bench([directory], runtime="openvino", threads=1, samples=2, say=quiet).notes == ()


def test_one_artifact_by_two_names_is_timed_once(judged_run: Path) -> None:
    directory = judged_run / "artifacts/CNNScratch"
    names = [directory, directory / ".." / directory.name, directory]
    result = api.bench(names, runtime="openvino", threads=1, samples=2, say=quiet)
    assert [row.label for row in result.rows] == ["CNNScratch torch", "CNNScratch openvino"]


def test_bench_goes_back_to_the_network_before_pruning(judged_run: Path, tmp_path: Path) -> None:
    """Grandparent <- pruned parent <- child, and a pruned one that lies alone."""
    shutil.copytree(judged_run / "artifacts/CNNScratch", tmp_path / "CNNScratch")
    pruned = {"plan": {"pruning": {"channels": [["stem.0", []]]}}, "parent": "CNNScratch", "name": "pruned"}
    changed(judged_run / "artifacts/CNNScratch", tmp_path / "pruned", **pruned)
    child = changed(judged_run / "artifacts" / INT8, tmp_path / "child", parent="pruned", name="child")
    alone = changed(judged_run / "artifacts/CNNScratch", tmp_path / "alone/pruned", **pruned)
    round_trip = changed(judged_run / "artifacts" / INT8, tmp_path / "ring", parent="ring", name="ring")
    for directory, reference in (
        (tmp_path / "pruned", "CNNScratch torch"), (child, "CNNScratch torch"), (alone, "pruned torch"),
        (round_trip, "ring openvino"),
    ):  # fmt: skip
        result = api.bench([directory], runtime="openvino", threads=1, samples=2, say=quiet)
        assert result.reference == reference


def test_a_damaged_ancestor_is_told_and_a_nearer_one_taken(judged_run: Path, tmp_path: Path) -> None:
    shutil.copytree(judged_run / "artifacts/CNNScratch", tmp_path / "CNNScratch")
    (tmp_path / "CNNScratch/model.onnx").write_bytes(b"")
    pruned = {"plan": {"pruning": {"channels": [["stem.0", []]]}}, "parent": "CNNScratch", "name": "pruned"}
    changed(judged_run / "artifacts/CNNScratch", tmp_path / "pruned", **pruned)
    result = api.bench([tmp_path / "pruned"], runtime="openvino", threads=1, samples=2, say=quiet)
    assert result.reference == "pruned torch"
    assert any(text.startswith("not compared with what it comes from: ") for text in result.warnings)
    long = changed(judged_run / "artifacts" / INT8, tmp_path / "long", parent="x" * 400, name="long")
    assert api.bench([long], runtime="openvino", threads=1, samples=2, say=quiet).reference == "long openvino"
    plan = {"plan": {"pruning": {"channels": [["no.such", [0]]]}}}
    changed(judged_run / "artifacts/CNNScratch", tmp_path / "impossible", **{**plan, "name": "impossible"})
    result = api.bench([tmp_path / "impossible"], runtime="openvino", threads=1, samples=2, say=quiet)
    assert result.reference == "impossible openvino"
    assert any(text.startswith("not compared with impossible: ") for text in result.warnings)


def test_what_cannot_be_timed_on_one_runtime_is_told_and_the_rest_is_timed(judged_run: Path) -> None:
    result = api.bench(
        [judged_run / "artifacts" / INT8], runtime="openvino", against=["torch", "onnxruntime"], threads=1, samples=2,
        say=quiet,
    )  # fmt: skip
    assert [row.latency.runtime for row in result.rows] == ["torch", "openvino", "onnxruntime"]
    (told,) = [text for text in result.warnings if text.startswith("not timed on torch: ")]
    assert f"{INT8}: torch has no int8 kernels" in told


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"cpu": "Another 3000"}, "Another 3000"), ({"isa": ["avx_9000"]}, f"{cpu_name()}, with other instructions")],
)
def test_bench_says_when_the_artifact_is_of_another_machine(
    changes: dict[str, object], told: str, judged_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Load, "others_share", lambda load: 0.0)
    copied = Path(shutil.copytree(judged_run / "artifacts" / INT8, tmp_path / "other"))
    card = json.loads((copied / "artifact.json").read_text())
    card["measured_on"].update(changes)
    (copied / "artifact.json").write_text(sealed(card))
    result = api.bench([copied], runtime="openvino", threads=1, samples=4, say=quiet)
    assert result.warnings == (f"{INT8} was made on another machine ({told}); the times here are of this one",)
    assert [row.latency.runtime for row in result.rows] == ["openvino"]  # its parent is not beside it


@pytest.mark.parametrize(("share", "flagged"), [(0.05, False), (0.37, True), (None, False)])
def test_bench_says_when_the_machine_was_busy(
    judged_run: Path, monkeypatch: pytest.MonkeyPatch, share: float | None, flagged: bool
) -> None:
    monkeypatch.setattr(Load, "others_share", lambda load: share)
    result = api.bench([judged_run / "artifacts/CNNScratch"], runtime="openvino", threads=1, samples=4, say=quiet)
    assert all(row.latency.others_share == share for row in result.rows)
    told = [warning for warning in result.warnings if "busy" in warning]
    assert len(told) == flagged
    assert not told or "other processes had 37% of the cores' time" in told[0]


@pytest.mark.parametrize(
    ("wrong", "message"), [({"batch": 0}, "--batch 0"), ({"samples": 1}, "--samples 1"), ({"seed": -1}, "--seed -1")]
)
def test_numbers_out_of_range(judged_run: Path, wrong: dict[str, int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        api.bench([judged_run / "artifacts/CNNScratch"], say=quiet, **wrong)  # type: ignore[arg-type]


def test_a_difference_within_the_spread_of_the_calls_is_not_measurable() -> None:
    wide = [1.0, 2.0, 3.0, 4.0] * 80  # its middle half is 1.75 to 3.25
    before, after = fabricated_latency(wide), fabricated_latency([0.9 * ms for ms in wide])
    speedup = _speedup(wide, before, [0.9 * ms for ms in wide], after, 0)
    assert speedup.low > 1, "the ratio is known well"
    assert not speedup.is_measurable, "and is less than one call differs from the next"
    twice = [0.2 * ms for ms in wide]
    assert _speedup(wide, before, twice, fabricated_latency(twice), 0).is_measurable
    restless = [1.0, 20.0, 40.0, 60.0] * 80  # a wide box hides nothing that lies apart from it
    assert _speedup(restless, fabricated_latency(restless), twice, fabricated_latency(twice), 0).is_measurable


def fabricated_latency(ms: list[float]) -> Latency:
    return summarize(ms, runtime="torch", batch=1, threads=1)


def test_what_does_another_job_is_no_reference(judged_run: Path) -> None:
    result = api.bench([judged_run / "artifacts/CNNScratch"], runtime="openvino", threads=1, samples=2, say=quiet)
    other = result.rows[1].model_copy(update={"speedup": None, "name": "LeNet", "artifact": "LeNet"})
    stream, aside = io.StringIO(), io.StringIO()
    shown = result.model_copy(update={"rows": [*result.rows, other], "warnings": ("LeNet does another job",)})
    print_benchmark(shown, Console(file=stream, width=140), Console(file=aside, width=140))
    assert stream.getvalue().count("reference") == 1
    assert aside.getvalue() == "warning: LeNet does another job\n"


def test_80_columns_break_no_name_and_no_figure(judged_run: Path) -> None:
    result = api.bench([judged_run / "artifacts/CNNScratch"], runtime="openvino", threads=1, samples=2, say=quiet)
    long, slow = "CNNPrunedGO-structured-static-int8", fabricated_latency([1234.5] * 8)
    speedup = Speedup(ratio=19.284, low=17.456, high=20.451, is_measurable=True)
    first = result.rows[0].model_copy(update={"name": "LeNet", "artifact": "a", "latency": slow, "file_bytes": 249_500})
    fast = slow.model_copy(update={"runtime": "onnxruntime", "p50_ms": 0.0612, "p90_ms": 0.0878})
    other = {"name": long, "artifact": "b", "file_bytes": 1_300_000, "images_per_s": 16339.9}
    rows = [
        first.model_copy(update={"images_per_s": 0.81}),
        first.model_copy(update={**other, "latency": fast, "speedup": speedup}),
        first.model_copy(update={**other, "speedup": speedup.model_copy(update={"is_measurable": False})}),
    ]
    stream, machine = io.StringIO(), result.machine.model_copy(update={"cpu": "Xeon", "threads": 1})
    shown = result.model_copy(update={"rows": rows, "machine": machine})
    print_benchmark(shown, Console(file=stream, width=80), Console(file=io.StringIO()))
    assert [line.rstrip() for line in stream.getvalue().splitlines()][:7] == [
        "Xeon, 1 thread, batch 1",
        "  Runtime              p50        p90  Images/s  Speed",
        "LeNet (249.5 kB)",
        "  eager PyTorch    1234 ms    1234 ms         1  reference",
        f"{long} (1.3 MB)",
        "  ONNX Runtime   0.0612 ms  0.0878 ms    16,340  19.28x (17.46-20.45)",
        "  eager PyTorch    1234 ms    1234 ms    16,340  no measurable difference",
    ]
    assert max(map(len, stream.getvalue().splitlines())) <= 80


def test_samples_have_an_end(judged_run: Path) -> None:
    with pytest.raises(UserError, match="would take for ever: give 1000000 at most"):
        api.bench([judged_run / "artifacts/CNNScratch"], samples=10**20, say=quiet)
