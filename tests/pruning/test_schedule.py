"""Schedules against their formulas, by hand."""

import pytest

from petiole.errors import UserError
from petiole.pruning.schedule import epochs_of_steps, shares, steps_that_prune


def test_cubic_takes_most_in_the_beginning() -> None:
    """1 - (2/3)^3, 1 - (1/3)^3, 1."""
    assert shares("cubic", 3) == pytest.approx((19 / 27, 26 / 27, 1.0))


def test_linear_and_one_shot() -> None:
    assert shares("linear", 2) == (0.5, 1.0)
    assert shares("one-shot", 5) == (1.0,)
    assert shares("cubic", 1) == (1.0,)


def test_wrong_choices_are_told() -> None:
    with pytest.raises(UserError, match="schedule"):
        shares("square", 2)
    with pytest.raises(UserError, match="--prune-steps 0 is too few"):
        shares("cubic", 0)


def test_the_last_step_gets_the_epochs_that_are_left() -> None:
    assert epochs_of_steps(4, 1) == (4,)
    assert epochs_of_steps(5, 3) == (1, 1, 3)
    assert epochs_of_steps(1, 2) == (1, 1)


def test_the_last_step_stays_even_where_it_does_nothing() -> None:
    """What prunes nothing at all is an error of the step itself."""
    assert steps_that_prune((0.5, 1.0), ({"a": 8}, {"a": 8}), {"a": 8}) == (1.0,)
    assert steps_that_prune((0.5, 1.0), ({"a": 7}, {"a": 6}), {"a": 8}) == (0.5, 1.0)
