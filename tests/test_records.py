"""``results.json``: the promised keys, the way there and back, what is said of a file that does not fit."""

import contextlib
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import fuzzing
from fuzzing import FUZZ
from petiole import records
from petiole.errors import UserError
from petiole.inference_records import Benchmark, Prediction
from petiole.record import Record
from petiole.search_records import SearchResults, read_any_results


def results() -> records.Results:
    machine = records.Machine(cpu="a cpu", isa=["avx2"], cores=2, threads=2, versions={"torch": "2"})
    accuracy = records.Accuracy(correct=3, total=4, value=0.75, ci95=(0.3, 0.95), by_class={"ants": 1.0, "bees": 0.5})
    variant = records.Variant(
        name="CNNPrunedFO",
        seed=1,
        parent="CNNOptimized",
        backbone="resnet18",
        engine="torch",
        accuracy=accuracy,
        versus_parent=records.VersusParent(lost=1, gained=0, mcnemar_p=1.0),
        parameters=10,
        nonzero_parameters=7,
        macs=20,
        file_bytes=40,
        gates={"sparsity": 0.3},
    )
    return records.Results(
        run=records.Run(command="petiole lab", seconds=1.5, seeds=[1], machine=machine),
        data=records.Data(photos=None, digits=None),
        variants=[variant],
        failures=[records.Failure(variant="CNNPrunedG", why="nothing was pruned")],
    )


def write(run: Path, value: Any) -> Path:
    (run / "results.json").write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return run


def test_there_and_back(tmp_path: Path) -> None:
    write(tmp_path, records.to_json(results()))
    assert records.read_results(tmp_path) == results()


def test_the_promised_keys_are_there() -> None:
    raw = json.loads(records.to_json(results()))
    assert raw["schema"] == 1
    assert {"run", "data", "variants", "demos", "answers", "failures"} <= raw.keys()
    assert {"command", "seconds", "seeds", "machine"} <= raw["run"].keys()
    assert raw["run"]["machine"].keys() >= {"cpu", "isa", "cores", "threads", "versions"}
    variant = (
        "name seed parent backbone engine accuracy versus_parent parameters nonzero_parameters macs "
        "file_bytes latency train gates artifact"
    )
    assert set(variant.split()) <= raw["variants"][0].keys()
    assert {"correct", "total", "value", "ci95", "by_class"} <= raw["variants"][0]["accuracy"].keys()
    assert raw["variants"][0]["versus_parent"].keys() == {"lost", "gained", "mcnemar_p"}
    assert raw["failures"][0]["variant"] == "CNNPrunedG"


def test_keys_of_latency_train_data_and_answers() -> None:
    assert {
        "runtime",
        "batch",
        "threads",
        "p50_ms",
        "p90_ms",
        "samples",
    } <= records.Latency.model_fields.keys()
    assert {"epochs", "converged_epoch", "seconds"} <= records.Train.model_fields.keys()
    assert {
        "source",
        "synthetic",
        "train",
        "test",
        "classes",
        "skipped",
    } <= records.Photos.model_fields.keys()
    assert {"source", "synthetic", "train", "test"} <= records.Digits.model_fields.keys()
    assert records.Answer.model_fields.keys() == {"id", "question", "answer", "evidence"}


def test_keys_of_a_newer_petiole_are_ignored(tmp_path: Path) -> None:
    raw = json.loads(records.to_json(results()))
    raw["moon"] = "full"
    raw["variants"][0]["energy_j"] = 1.0
    assert records.read_results(write(tmp_path, raw)) == results()


def test_a_variants_key_names_the_engine_where_it_matters() -> None:
    variant = results().variants[0]
    assert variant.key == "CNNPrunedFO-seed1"
    assert variant.model_copy(update={"engine": "pt2e"}).key == "CNNPrunedFO-pt2e-seed1"


def test_records_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        results().variants[0].accuracy.correct = 4


def test_no_number_is_written_that_json_does_not_know() -> None:
    with pytest.raises(ValueError, match="finite number"):
        records.Operator(name="conv", calls=1, self_cpu_ms=float("nan"))
    unchecked = records.Operator.model_construct(name="conv", calls=1, self_cpu_ms=float("inf"))
    with pytest.raises(ValueError, match="JSON"):
        records.to_json(unchecked)


def test_no_results(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no results\.json"):
        records.read_results(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not JSON"),
        ("[]", "schema None"),
        ({"schema": 2}, "schema 2, this Petiole reads 1"),
        ({"schema": 1}, "does not fit at run"),
        ('{"schema": 1, "run": {"seconds": NaN}}', "is not JSON"),
        ('{"schema": 1, "run": {"command": "\\ud800"}}', "is not JSON"),
    ],
)
def test_a_file_that_does_not_fit_is_named_with_the_place(tmp_path: Path, content: Any, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        records.read_results(write(tmp_path, content))
    assert str(tmp_path / "results.json") in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"correct": 101}, "101 of 4 pictures cannot be right"),
        ({"total": 0}, r"variants\.0\.accuracy\.total"),
        ({"total": 10**400}, r"variants\.0\.accuracy\.total"),
        ({"value": 7}, r"variants\.0\.accuracy\.value"),
        ({"value": 0.74}, r"3 of 4 pictures are not 0\.74"),
        ({"ci95": [0.8, 0.95]}, r"0\.8 to 0\.95 is no interval of 0\.75"),
        ({"ci95": [0.3, 0.7]}, r"0\.3 to 0\.7 is no interval of 0\.75"),
        ({"ci95": [0.3, 1.5]}, r"0\.3 to 1\.5 is no interval of 0\.75"),
        ({"confusion": [[1], [2, 3]]}, "the confusion matrix is not square"),
        ({"confusion": [[2, 0], [0, 2]]}, "does not hold 3 right of 4 pictures"),
        ({"confusion": [[3, 2], [0, 0]]}, "does not hold 3 right of 4 pictures"),
    ],
)
def test_accuracies_that_cannot_be_are_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    raw = json.loads(records.to_json(results()))
    raw["variants"][0]["accuracy"].update(changes)
    with pytest.raises(UserError, match=words):
        records.read_results(write(tmp_path, raw))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"nonzero_parameters": 11}, "11 of 10 weights cannot be nonzero"),
        ({"versus_parent": {"lost": 2, "gained": 0, "mcnemar_p": 0.5}}, "0 pictures gained and 2 lost do not go with"),
        ({"versus_baseline": {"lost": 0, "gained": 4, "mcnemar_p": 0.125}}, "4 pictures gained and 0 lost do not go"),
    ],
)
def test_a_variant_that_contradicts_itself_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    raw = json.loads(records.to_json(results()))
    raw["variants"][0].update(changes)
    with pytest.raises(UserError, match=words):
        records.read_results(write(tmp_path, raw))


def test_a_missing_key_is_named_with_its_path(tmp_path: Path) -> None:
    raw = json.loads(records.to_json(results()))
    del raw["variants"][0]["macs"]
    with pytest.raises(UserError, match=r"variants\.0\.macs"):
        records.read_results(write(tmp_path, raw))


@pytest.mark.parametrize("kind", [records.Results, SearchResults, Benchmark, Prediction], ids=lambda k: k.__name__)
@given(data=st.data())
@settings(FUZZ, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
def test_any_record_comes_back_from_its_text(kind: type[Record], data: st.DataObject) -> None:
    record = data.draw(fuzzing.records(kind))
    assert kind.model_validate(json.loads(records.to_json(record))) == record
    if isinstance(record, records.Results):
        assume(len({row.key for row in record.variants}) == len(record.variants))  # or they would be refused
        record = record.model_copy(update={"schema_version": records.SCHEMA})
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), records.to_json(record))
            assert records.read_results(Path(folder)).variants == record.variants


@given(data=st.data())
@settings(FUZZ, max_examples=200)
def test_results_with_other_values_are_read_or_refused_by_name(data: st.DataObject) -> None:
    content = data.draw(fuzzing.changed(json.loads(records.to_json(results()))))
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), content)
        try:
            read_any_results(Path(folder))
        except UserError as error:
            message = str(error)
            assert f"{folder}/results.json" in message


@given(data=st.data())
@settings(FUZZ, max_examples=100)
def test_results_with_other_bytes_are_read_or_refused_by_name(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results.json"
        path.write_bytes(data.draw(fuzzing.damaged(records.to_json(results()).encode())))
        with contextlib.suppress(UserError):
            read_any_results(Path(folder))
