"""The exit codes that are promised, and the sentence that lists the valid choices."""

import pytest

from petiole.errors import GateError, GoalError, PetioleError, UserError, unknown_choice


@pytest.mark.parametrize(("kind", "code"), [(PetioleError, 1), (GateError, 1), (UserError, 2), (GoalError, 3)])
def test_exit_codes(kind: type[PetioleError], code: int) -> None:
    assert kind("why").exit_code == code
    assert isinstance(kind("why"), PetioleError)


def test_an_unknown_name_is_answered_with_the_valid_ones() -> None:
    error = unknown_choice("stage", "prune", ["scratch", "pruning"])
    assert isinstance(error, UserError)
    assert str(error) == "unknown stage 'prune': choose from scratch, pruning"
