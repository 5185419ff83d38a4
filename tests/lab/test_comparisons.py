"""Comparisons of networks of which neither was made from the other, worked out by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from fabricated import accuracy, results, variant
from petiole.lab.answers import answer
from petiole.lab.comparisons import compare
from petiole.records import Comparison, Variant
from petiole.report.headline import headline


def judged(run_dir: Path, name: str, wrong: set[int], **changes: Any) -> Variant:
    """A network that calls ten pictures of class 0, and those of ``wrong`` class 1."""
    path = f"predictions/{name}.json"
    (run_dir / "predictions").mkdir(exist_ok=True)
    called = {"labels": [0] * 10, "predicted": [int(at in wrong) for at in range(10)], "probability": [1.0] * 10}
    (run_dir / path).write_text(json.dumps(called))
    right = accuracy(10 - len(wrong), 10)
    return variant(name, right.correct, accuracy=right, predictions=path, **changes)


def test_lost_and_gained_are_counted_picture_by_picture(tmp_path: Path) -> None:
    scratch = judged(tmp_path, "CNNScratch", {0, 1, 2, 3, 4, 5})
    optimized = judged(tmp_path, "CNNOptimized", {5, 6})
    other_seed = judged(tmp_path, "CNNAdapted", set(), seed=1)
    assert compare(tmp_path, [scratch, optimized, other_seed]) == [
        Comparison(
            variant="CNNOptimized", against="CNNScratch", engine="torch", seed=scratch.seed, lost=1, gained=5,
            mcnemar_p=2 * (1 + 6) / 2**6,
        )
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("lost", "gained", "words"),
    [(0, 8, "a gain that the paired test shows (0 lost, 8 gained, p = 0.0078)"),
     (3, 4, "which the paired test cannot tell from no difference (3 lost, 4 gained, p = 1.0)")],
)  # fmt: skip
def test_answers_and_headline_go_by_the_paired_test(lost: int, gained: int, words: str) -> None:
    """8 gained and none lost tell two networks apart whose intervals overlap."""
    rows = [variant("CNNScratch", 88), variant("CNNOptimized", 88 + gained - lost)]
    found = Comparison(
        variant="CNNOptimized", against="CNNScratch", engine="torch", seed=rows[0].seed, lost=lost, gained=gained,
        mcnemar_p=0.5,
    )  # fmt: skip
    run = results(rows).model_copy(update={"comparisons": [found]})
    told = next(each.answer for each in answer(run) if each.question.startswith("What are the benefits"))
    assert f"against CNNScratch, {words}" in told
    assert ("higher accuracy" in told) == (lost == 0)
    assert (": a difference)" if lost == 0 else ": no difference shown)") in headline(run)[0]
