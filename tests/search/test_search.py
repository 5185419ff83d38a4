"""A whole search on a few drawn photos: made, judged, chosen; stopped and continued; repeated by its recipe."""

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from petiole import api
from petiole.chain.config import ChainConfig, ChainEffort
from petiole.errors import GoalError, UserError
from petiole.rundir import RunDir
from petiole.search import explore, run
from petiole.search.config import SearchConfig
from petiole.search.finals import Finals
from petiole.search.limits import Limits
from petiole.search.look import look
from petiole.search.recipe import Recipe, read_recipe
from petiole.search.run import run_search
from petiole.search_records import Candidate, SearchResults

BRIEF = ChainConfig(
    effort=ChainEffort(
        probe_epochs=10, probe_views=1, transfer_epochs=1, structured_epochs=1, photo_qat_epochs=1,
        calibration_images=8, refit_photos=16,
    )
)  # fmt: skip


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return api.draw(tmp_path_factory.mktemp("photos") / "drawn", count=48)


def config(drawn: Path, out: Path, **changes: Any) -> SearchConfig:
    return SearchConfig(**{
        "data": drawn, "out": out, "offline": True, "backbones": ("efficientnet_lite0",), "sizes": (64,),
        "macs": (0.6,), "quantizations": ("static",), "chain": BRIEF, "final": BRIEF, "finalists": 1,
        "limits": Limits(max_drop=1.0), "budget_s": 600.0, **changes,
    })  # fmt: skip


@pytest.fixture(scope="module")
def searched(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SearchResults, list[str]]:
    out, said = tmp_path_factory.mktemp("search"), list[str]()
    results = run_search(config(drawn, out), command="petiole compress drawn", say=said.append, progress=False)
    return out, results, said


def test_the_whole_space_was_looked_at_and_trained(searched: tuple[Path, SearchResults, list[str]]) -> None:
    out, results, _ = searched
    assert [(each.name, each.retrained) for each in results.candidates] == [
        ("efficientnet_lite0-64px-macs60-static", False), ("efficientnet_lite0-64px-macs60-static", True),
    ]  # fmt: skip
    assert results.reference == "efficientnet_lite0-224px-float"
    assert results.chosen is not None
    assert results.chosen.macs < 0.6 * 384e6 * (64 / 224) ** 2 * 1.05
    assert (out / results.chosen.artifact / "model.onnx").stat().st_size == results.chosen.file_bytes
    assert {row.name for row in results.variants} == {results.reference, results.chosen.name}
    assert all(row.accuracy.total == results.data.photos.test for row in results.variants if results.data.photos)


def test_each_candidate_has_its_recipe(searched: tuple[Path, SearchResults, list[str]]) -> None:
    out, results, _ = searched
    for each in results.candidates:
        assert read_recipe(out / each.recipe_file).recipe.model_dump() == each.recipe
    assert {path.name for path in out.glob("recipes/*")} == {f"{each.name}.toml" for each in results.candidates}


def test_no_test_photo_was_seen_before_the_end(searched: tuple[Path, SearchResults, list[str]]) -> None:
    _, results, _ = searched
    assert results.data.photos is not None
    train = results.data.photos.train
    assert [each.accuracy.total for each in results.candidates] == [results.tried.held_out, train], "each held out once"
    assert results.tried.held_out + results.tried.learned == train
    assert results.tried.folds == 3


def test_the_same_command_again_does_nothing_again(
    searched: tuple[Path, SearchResults, list[str]], drawn: Path
) -> None:
    out, results, _ = searched
    said: list[str] = []
    again = run_search(config(drawn, out), command="petiole compress drawn", say=said.append, progress=False)
    assert not [line for line in said if "epoch" in line or "looked at" in line]
    assert again.candidates == results.candidates
    assert [row.accuracy for row in again.variants] == [row.accuracy for row in results.variants]


def test_a_finished_trial_is_not_done_twice(
    searched: tuple[Path, SearchResults, list[str]], drawn: Path
) -> None:  # fmt: skip
    """As if it had been stopped just after its trials: the ledger knows them."""
    out, results, _ = searched
    RunDir(out).forget("explored")
    said: list[str] = []
    again = run_search(config(drawn, out), command="petiole compress drawn", say=said.append, progress=False)
    assert not [line for line in said if "looked at" in line or "trained" in line.split()[:1]]
    assert [each.name for each in again.candidates] == [each.name for each in results.candidates]


def test_what_is_lost_or_altered_is_made_again(searched: tuple[Path, SearchResults, list[str]], drawn: Path) -> None:
    """The reference's artifact is gone, an answer of the finalist altered, a number in the marker of a fold."""
    out, results, _ = searched
    reference, finalist = results.variants
    shutil.rmtree(out / str(reference.artifact))
    called = out / str(finalist.predictions)
    called.write_text(called.read_text(encoding="utf-8").replace("[0, ", "[1, ", 1), encoding="utf-8")
    marker = next(out.glob(f"search/*/state/judged-{reference.name}.json"))
    text = marker.read_text(encoding="utf-8")
    marker.write_text(re.sub(r'"correct": \d+', '"correct": 1', text), encoding="utf-8")
    said: list[str] = []
    RunDir(out).forget("explored")
    again = run_search(config(drawn, out), command="petiole compress drawn", say=said.append, progress=False)
    lost = [line.split(":")[0] for line in said if "judged earlier, but not whole any more; done again" in line]
    assert sorted(lost) == sorted([reference.name, finalist.name])
    assert [row.accuracy for row in again.variants] == [row.accuracy for row in results.variants]
    assert marker.read_text(encoding="utf-8") != text or '"correct": 1,' not in text


def test_a_folder_of_recipes_that_was_there_is_left_alone(
    searched: tuple[Path, SearchResults, list[str]], drawn: Path, tmp_path: Path
) -> None:
    out, results, _ = searched
    theirs = tmp_path / "recipes" / "best.toml"
    theirs.parent.mkdir()
    theirs.write_bytes((out / "chosen.toml").read_bytes())
    run._write_recipes(  # what a run of that recipe writes in the end
        SimpleNamespace(rundir=RunDir(tmp_path), config=SimpleNamespace(recipe=theirs)),  # type: ignore[arg-type]
        results.model_copy(update={"chosen": None, "candidates": []}),
    )
    assert theirs.exists()


def test_its_recipe_makes_the_same_network_without_a_search(
    searched: tuple[Path, SearchResults, list[str]], drawn: Path, tmp_path: Path
) -> None:
    out, results, _ = searched
    wanted = config(drawn, tmp_path / "again", recipe=out / "chosen.toml", seed=5)  # the recipe's own seed counts
    again = run_search(wanted, command="petiole compress drawn", say=lambda _: None, progress=False)
    assert again.candidates == []
    assert again.chosen is not None
    assert results.chosen is not None
    assert again.chosen.recipe == results.chosen.recipe
    assert again.chosen.accuracy == results.chosen.accuracy
    assert again.chosen.file_bytes == results.chosen.file_bytes
    with pytest.raises(UserError, match="holds a search, which --recipe would overwrite"):
        run_search(config(drawn, out, recipe=out / "chosen.toml"), command="", say=lambda _: None, progress=False)


def test_a_recipe_of_other_weights_is_refused(
    searched: tuple[Path, SearchResults, list[str]], drawn: Path, tmp_path: Path
) -> None:
    out, _, _ = searched
    wanted = config(drawn, tmp_path / "again", recipe=out / "chosen.toml", weights="random")
    with pytest.raises(UserError, match="was made from other weights of efficientnet_lite0"):
        run_search(wanted, command="", say=lambda _: None, progress=False)


class _Stop(BaseException):
    """Ctrl-C, or a kill."""


def test_a_search_that_is_stopped_goes_on(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped in its second trial; the first one is not done again, and the time that it took still counts."""
    two = config(drawn, tmp_path, macs=(0.9, 0.6), limits=Limits(max_drop=1.0, max_bytes=10))
    tried: list[str] = []

    def stopping(parts: Any, recipe: Recipe, reference: Recipe) -> Candidate:
        if len(tried) == 1:
            raise _Stop
        tried.append(recipe.name)
        return look(parts, recipe, reference)

    monkeypatch.setattr(explore, "look", stopping)
    with pytest.raises(_Stop):
        run_search(two, command="", say=lambda _: None, progress=False)
    spent_s = json.loads((tmp_path / "state" / "spent.json").read_text(encoding="utf-8"))["result"]["seconds"]
    monkeypatch.setattr(explore, "look", look)
    said: list[str] = []
    monkeypatch.setattr(run, "finish", lambda *_: Finals(variants=[], finalists=[], failures=[]))
    results = run_search(two, command="", say=said.append, progress=False)
    names = [each.name for each in results.candidates]
    assert names == ["efficientnet_lite0-64px-macs60-static", "efficientnet_lite0-64px-macs90-static"]
    assert tried == names[:1]
    assert sum("looked at" in line for line in said) == 1
    assert results.run.seconds > spent_s > 0


def test_a_limit_that_nothing_keeps_ends_without_a_choice(
    searched: tuple[Path, SearchResults, list[str]], drawn: Path
) -> None:
    out, _, _ = searched
    strict = config(drawn, out, limits=Limits(max_drop=1.0, max_bytes=1000))
    results = run_search(strict, command="petiole compress drawn", say=lambda _: None, progress=False)
    assert results.chosen is None
    assert [limit.verdict for limit in results.finalists[0].limits] == ["kept", "broken"]
    assert not (out / "chosen.toml").exists()
    with pytest.raises(GoalError, match=r"no network was chosen; the closest ones: .*--max-size 1 kB broken"):
        api.require_chosen(results)


def test_records_are_what_the_contract_says(searched: tuple[Path, SearchResults, list[str]]) -> None:
    out, _, _ = searched
    stored = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert stored["schema"] == 1
    for row in stored["pareto"]:
        assert {"accuracy", "file_bytes", "p50_ms", "macs", "recipe"} <= set(row)
        assert {"value", "ci95"} <= set(row["accuracy"])
    assert {"run", "data", "variants", "failures", "chosen"} <= set(stored)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"macs": (1.5,)}, "--macs 1.5 is out of range"), ({"amounts": (1.0,)}, "--amount 1 is out of range"),
        ({"sizes": (8,)}, "--size 8 is out of range"), ({"finalists": 0}, "--finalists 0 is too few"),
        ({"quantizations": ("int4",)}, "unknown quantization 'int4'"), ({"quantizations": ()}, "names nothing to try"),
        ({"seed": -1}, "--seed -1 is out of range"),
    ],
)  # fmt: skip
def test_what_is_out_of_range_is_told_before_anything_starts(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        config(Path("nowhere"), Path("nowhere"), **changes).checked()
