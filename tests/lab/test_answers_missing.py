"""What an answer says about variants that a made-up run does not have."""

import pytest

from fabricated import results, variants
from petiole.lab.answers import answer
from petiole.records import Answer, Failure, Results


def ask(name: str, run: Results) -> Answer:
    (found,) = [each for each in answer(run) if each.id == name]
    return found


@pytest.mark.parametrize("name", ["3.1", "3.2", "3.3", "3.4.2-demos", "3.4.2", "3.4.3"])
def test_an_empty_run_says_so_and_claims_nothing(name: str) -> None:
    found = ask(name, results([], demos={}, curves=[]))
    assert "not in this run" in found.answer
    assert found.evidence == []


def test_a_failed_chapter_is_named_with_its_reason() -> None:
    rows = [row for row in variants() if not row.name.startswith("CNNPruned")]
    why = Failure(variant="pruning", why="nothing was pruned", seed=0)
    assert ask("3.3", results(rows, failures=[why])).answer == (
        "The chapter pruning failed with seed 0, so nothing is said about CNNPrunedF, CNNPrunedFO, CNNPrunedG and "
        "CNNPrunedGO: nothing was pruned."
    )


def test_a_failed_engine_is_named_beside_the_one_that_worked() -> None:
    why = Failure(variant="LeNet-qat-int8-eager-seed0", why="a layer stayed float.")
    text = ask("3.4.3", results(failures=[why])).answer
    assert "LeNet-qat-int8-eager-seed0 failed, so nothing is said about LeNet-qat-int8: a layer stayed float." in text
