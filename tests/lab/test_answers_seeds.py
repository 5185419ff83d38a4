"""Answers of runs with several seeds, all made up."""

from fabricated import fewer, results, variants
from petiole.lab.answers import answer
from petiole.records import Variant


def told(name: str, rows: list[Variant]) -> str:
    return next(each.answer for each in answer(results(rows, run_seeds=[0, 1, 2])) if each.id == name)


def test_several_seeds_are_averaged() -> None:
    rows = [row.model_copy(update={"seed": seed}) for seed in range(3) for row in variants()]
    rows = [row.model_copy(update=fewer(row, 8, 1)) if row.name.endswith("static-int8") else row for row in rows]
    text = told("3.4.2", rows)
    assert "89.0% (mean of 3 seeds; 95% interval 81.4-93.7%)" in text
    assert "a loss that the paired test shows (24 lost, 3 gained over 3 seeds, p = 0.039 of their means)" in text


def test_a_test_that_the_seeds_contradict_is_told_as_it_is() -> None:
    lost_by_seed = [(30, 1), (1, 1), (2, 1)]  # 33 lost, 3 gained: p < 0.001; -29, 0 and -1 of 100: t interval has 0
    rows = [
        row.model_copy(update={"seed": seed} | (fewer(row, *lost) if row.name.endswith("static-int8") else {}))
        for seed, lost in enumerate(lost_by_seed)
        for row in variants()
    ]
    text = told("3.4.2", rows)
    assert "which the paired test sees, but the t interval over the seeds includes no difference (33 lost, 3" in text
    assert "no difference (33 lost, 3 gained over 3 seeds, p = 0.0063 of their means)" in text
    assert "which the paired test cannot tell from no difference (33 lost" not in text
