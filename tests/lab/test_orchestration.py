"""What a run does when it is killed, changed or failing, on chapters that only count how often they ran."""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import fabricated
from fabricated import accuracy, variant
from petiole import api
from petiole.errors import GateError, UserError
from petiole.lab import run as lab_run
from petiole.lab.bench import Bench, ChapterResult
from petiole.records import Latency, Results, Variant
from petiole.rundir import digest
from petiole.writing import write_atomic

NAMES = {
    "scratch": "CNNScratch",
    "transfer": "CNNOptimized",
    "pruning": "CNNPrunedF",
    "structured": "CNNPrunedF-structured",
    "quantization": "CNNOptimized-qat",
    "lenet": "LeNet",
}


TEST = 9
"""Test photos of 24 drawn ones."""


class Killed(BaseException):
    """The process dies here."""


class Fakes:
    """Chapters that make one made-up row each; ``fate`` is what a chapter raises."""

    def __init__(self) -> None:
        self.ran: Counter[str] = Counter()
        self.fate: dict[str, BaseException] = {}

    def chapter(self, name: str) -> Any:
        def run(bench: Bench, seed: int, result: ChapterResult) -> None:
            self.ran[name] += 1
            predictions = f"predictions/{name}.json"
            content = json.dumps({"labels": [0] * TEST, "predicted": [0] * TEST})
            write_atomic(bench.line.rundir.path / predictions, content)
            checksum = hashlib.sha256(content.encode()).hexdigest()
            result.variants.append(
                variant(
                    NAMES[name], 0, accuracy=accuracy(self.ran[name], TEST), seed=seed, latency=[], artifact=None,
                    predictions=predictions,
                    predictions_sha256=checksum,
                )
            )  # fmt: skip
            if name in self.fate:
                raise self.fate[name]

        return run


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Fakes:
    made = Fakes()
    monkeypatch.setattr(lab_run, "CHAPTERS", {name: made.chapter(name) for name in lab_run.CHAPTERS})
    monkeypatch.setattr("petiole.lab.setup._try_channels", lambda bench: None)  # seconds, of dozens of runs
    monkeypatch.setattr("petiole.lab.timing.run", lambda bench, variants: {each.key: [] for each in variants})
    monkeypatch.setattr("petiole.lab.timing.profiles", lambda bench, variants: {})
    monkeypatch.setattr("petiole.lab.demos.dtype_demo", lambda seed: {})
    monkeypatch.setattr("petiole.lab.demos.lstm_demo", lambda **_: {})
    return made


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return api.draw(tmp_path_factory.mktemp("photos") / "drawn", count=24)


def lab(photos: Path | None, out: Path, **changes: Any) -> Results:
    options = {"backbone": "efficientnet_lite0", "offline": True, "profile": "quick", "say": lambda _: None}
    return api.lab(data=photos, out=out, **{**options, **changes})


def test_a_killed_run_goes_on_with_the_chapter_that_was_not_done(fakes: Fakes, photos: Path, tmp_path: Path) -> None:
    fakes.fate["pruning"] = Killed()
    with pytest.raises(Killed):
        lab(photos, tmp_path)
    assert not (tmp_path / "results.json").exists()
    fakes.fate.clear()
    results = lab(photos, tmp_path)
    assert fakes.ran == {"scratch": 1, "transfer": 1, "pruning": 2, "structured": 1, "quantization": 1, "lenet": 1}
    assert results.failures == []
    assert [row.name for row in results.variants] == list(NAMES.values())
    assert {stage.name for stage in results.run.stages} == {"set-up", *NAMES, "demos", "timing"}


def test_seconds_are_those_of_all_processes(fakes: Fakes, photos: Path, tmp_path: Path) -> None:
    first, second = lab(photos, tmp_path), lab(photos, tmp_path)
    assert second.run.seconds > first.run.seconds
    assert set(fakes.ran.values()) == {1}


def test_what_is_not_whole_any_more_is_done_again(fakes: Fakes, photos: Path, tmp_path: Path) -> None:
    """A file of a finished chapter is lost, one answer in that of another is altered, and one number in a marker."""
    lab(photos, tmp_path)
    (tmp_path / "predictions" / "scratch.json").unlink()
    called = tmp_path / "predictions" / "quantization.json"
    called.write_text(called.read_text().replace("[0, ", "[1, ", 1))
    marker = tmp_path / "state" / "lenet-seed0.json"
    marker.write_text(marker.read_text().replace('"correct": 1', '"correct": 7'))
    said: list[str] = []
    again = lab(photos, tmp_path, say=said.append)
    assert fakes.ran == {**dict.fromkeys(NAMES, 1), "scratch": 2, "quantization": 2, "lenet": 2}
    lost = tmp_path / "predictions" / "scratch.json"
    told = f"chapter scratch, seed 0: finished earlier, but not whole any more; done again ({lost} "
    assert any(line.startswith(told) for line in said)
    assert not again.failures
    assert next(row for row in again.variants if row.name == "LeNet").accuracy.correct == 2, "made anew, not taken"


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_text("[1.0]")], ids=["lost", "altered"])
def test_raw_timings_that_are_not_whole_are_taken_again(
    damage: Callable[[Path], object], fakes: Fakes, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed, raw = Counter[str](), tmp_path / "latency" / "batch1.json"

    def timing(bench: Bench, variants: Sequence[Variant]) -> dict[str, list[Latency]]:
        timed["runs"] += 1
        write_atomic(raw, "[2.0]")
        row = fabricated.latency(2.0).model_copy(update={"raw_file": "latency/batch1.json"})
        return {each.key: [row] for each in variants}

    monkeypatch.setattr("petiole.lab.timing.run", timing)
    for _ in range(2):
        lab(photos, tmp_path)
    assert timed["runs"] == 1
    damage(raw)
    lab(photos, tmp_path)
    assert (timed["runs"], raw.read_text()) == (2, "[2.0]")
    assert set(fakes.ran.values()) == {1}


def test_a_part_does_not_take_the_place_of_the_whole(fakes: Fakes, photos: Path, tmp_path: Path) -> None:
    lab(photos, tmp_path, seeds=2, stages=("scratch", "demos"))
    before = (tmp_path / "results.json").read_bytes()
    with pytest.raises(UserError, match=r"results of the stages scratch as well, .*--stages scratch,demos:"):
        lab(photos, tmp_path, seeds=2, stages=("demos",))
    with pytest.raises(UserError, match=r"results of the seeds 1 as well, .*: ask for them too, or choose"):
        lab(photos, tmp_path, stages=("scratch", "demos"))
    assert (tmp_path / "results.json").read_bytes() == before
    lab(photos, tmp_path, seeds=2, stages=("scratch", "transfer", "demos"))
    assert fakes.ran["scratch"] == 2, "once for each seed"


def test_a_run_among_the_photos_is_refused(fakes: Fakes, photos: Path) -> None:
    with pytest.raises(UserError, match="lies among the photos"):
        lab(photos, photos / "train" / "ants" / "run")
    assert not (photos / "train" / "ants" / "run").exists()


def test_another_amount_prunes_again_and_the_old_amount_too(fakes: Fakes, photos: Path, tmp_path: Path) -> None:
    """Artifacts are overwritten: what was done with 30% must not be taken for done when 50% has been there since."""
    for amount in (0.3, 0.5, 0.3):
        lab(photos, tmp_path, amount=amount)
    assert fakes.ran == {"scratch": 1, "transfer": 1, "pruning": 3, "structured": 3, "quantization": 1, "lenet": 1}


@pytest.mark.parametrize(
    ("option", "value", "again"),
    [
        ("macs", 0.4, {"structured"}),
        ("max_drop", 5.0, {"structured", "quantization", "lenet"}),
        ("importance", "l1", {"pruning", "structured", "lenet"}),
        ("schedule", "linear", {"pruning", "structured", "lenet"}),
        ("prune_steps", 3, {"pruning", "structured", "lenet"}),
        ("reestimate", True, {"pruning", "structured", "lenet"}),
        ("spread", "uniform", {"pruning", "structured"}),
        ("study", True, {"pruning", "structured"}),
    ],
)
def test_an_option_runs_the_chapters_again_that_depend_on_it(
    fakes: Fakes, photos: Path, tmp_path: Path, option: str, value: Any, again: set[str]
) -> None:
    lab(photos, tmp_path)
    lab(photos, tmp_path, **{option: value})
    assert {name for name, count in fakes.ran.items() if count == 2} == again


def test_other_photos_are_noticed_by_content(fakes: Fakes, tmp_path: Path) -> None:
    drawn = [api.draw(tmp_path / str(seed) / "drawn", count=24, seed=seed) for seed in (0, 1)]
    for each in drawn:
        results = lab(each, tmp_path / "out")
    assert fakes.ran == {"scratch": 2, "transfer": 2, "pruning": 2, "structured": 2, "quantization": 2, "lenet": 1}
    assert results.data.photos is not None


def test_a_failed_chapter_keeps_its_rows_and_is_not_built_upon(fakes: Fakes, photos: Path, tmp_path: Path) -> None:
    fakes.fate["transfer"] = GateError("it did nothing")
    results = lab(photos, tmp_path)
    told = {(row.variant, row.why) for row in results.failures}
    assert told == {
        ("transfer", "it did nothing"),
        ("pruning", "not run, since chapter transfer failed"),
        ("structured", "not run, since chapter transfer failed"),
        ("quantization", "not run, since chapter transfer failed"),
    }
    assert [row.name for row in results.variants] == ["CNNScratch", "CNNOptimized", "LeNet"]
    assert "it did nothing" in (tmp_path / "report.html").read_text(encoding="utf-8")
    fakes.fate.clear()
    assert lab(photos, tmp_path).failures == []
    assert fakes.ran == {"scratch": 1, "transfer": 2, "pruning": 1, "structured": 1, "quantization": 1, "lenet": 1}


def test_a_run_does_not_go_on_with_another_source(fakes: Fakes, tmp_path: Path) -> None:
    """It began with drawn photos, since there was no network; then the real ones have come into the cache."""
    options: dict[str, Any] = {"count": 24, "stages": ("scratch",)}
    lab(None, tmp_path / "out", **options)
    cache = tmp_path / "cache" / "hymenoptera" / "hymenoptera_data"
    api.draw(cache, count=24, seed=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PETIOLE_CACHE", str(tmp_path / "cache"))
        with pytest.raises(UserError, match="began with photos synthetic, and now hymenoptera would be taken"):
            lab(None, tmp_path / "out", **options)


def test_records_of_the_run_before_are_not_vouched_for(
    fakes: Fakes, photos: Path, tmp_path: Path
) -> None:  # fmt: skip
    """A run with other options is killed after it overwrote files that the records tell of."""
    lab(photos, tmp_path)
    fakes.fate["pruning"] = Killed()
    with pytest.raises(Killed):
        lab(photos, tmp_path, amount=0.5)
    for other in (None, shutil.copytree(tmp_path, tmp_path.with_name("copy"), ignore=lambda *_: ["state"])):
        with pytest.raises(UserError, match=r"is being made anew, .*give the command that was stopped there again"):
            api.report(tmp_path, other)
    fakes.fate.clear()
    lab(photos, tmp_path, amount=0.5)
    api.report(tmp_path)


CHANGES: dict[str, Any] = {
    "petiole": ("petiole.__version__", "0.0.1"),
    "library": ("petiole.chain.made_by.library_versions", lambda: {"torch": "1.0"}),
    "bfloat16": ("petiole.chain.made_by.has_bfloat16", lambda: "another"),
    "isa": ("petiole.chain.made_by.isa", lambda: ["another"]),
}


@pytest.mark.parametrize(("what", "value"), CHANGES.values(), ids=CHANGES)
def test_on_another_machine_or_version_all_is_done_again(
    what: str, value: Any, fakes: Fakes, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab(photos, tmp_path)
    monkeypatch.setattr(what, value)
    lab(photos, tmp_path)
    assert set(fakes.ran.values()) == {2}


def test_lost_session_times_are_no_shorter_run(fakes: Fakes, photos: Path, tmp_path: Path) -> None:
    lab(photos, tmp_path)
    (tmp_path / "state" / "spent.json").write_text("[]")
    marker = json.loads((tmp_path / "state" / "lenet-seed0.json").read_text())
    marker["result"]["stage"]["seconds"] = 500.0
    marker["sha256"] = digest(marker["result"])
    (tmp_path / "state" / "lenet-seed0.json").write_text(json.dumps(marker))
    assert lab(photos, tmp_path).run.seconds > 500


def test_trainings_of_a_chapter_that_failed_are_not_counted_again(fakes: Fakes, tmp_path: Path) -> None:
    fakes.fate["lenet"] = GateError("nothing was quantized")
    lab(None, tmp_path, stages=["lenet"])
    kept = tmp_path / "state" / "training" / "kept.pt"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"of the chapter under way")
    lab(None, tmp_path, stages=["lenet"])
    assert not kept.exists()
