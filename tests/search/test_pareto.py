"""Which rows no other row beats."""

from hypothesis import given
from hypothesis import strategies as st

from petiole.search.pareto import non_dominated


def test_a_row_that_is_worse_in_one_and_better_in_none_is_out() -> None:
    assert non_dominated(["a", "b", "c"], [(1.0, 2.0), (1.0, 3.0), (0.5, 9.0)]) == ["a", "c"]


def test_equal_rows_stay_together() -> None:
    assert non_dominated(["a", "b"], [(1.0, 1.0), (1.0, 1.0)]) == ["a", "b"]


def test_nothing_gives_nothing() -> None:
    assert non_dominated([], []) == []


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12))
def test_every_row_that_is_out_is_beaten_by_one_that_is_in(costs: list[tuple[int, int]]) -> None:
    rows = [(float(a), float(b)) for a, b in costs]
    kept = non_dominated(rows, rows)
    for row in rows:
        beaten = any(one[0] <= row[0] and one[1] <= row[1] and one != row for one in kept)
        assert (row in kept) != beaten
