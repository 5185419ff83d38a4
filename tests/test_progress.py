"""Bars on a terminal, plain lines elsewhere."""

import pytest

from petiole.progress import bar


def test_without_a_terminal_a_line_comes_every_ten_seconds_and_at_the_end() -> None:
    told: list[str] = []
    now = 0.0
    with bar("LeNet", 5, unit="epoch", say=told.append, terminal=False, clock=lambda: now) as tell:
        for epoch in range(1, 6):
            now += 4.0
            tell(epoch, f"loss {1 / epoch:.2f}")
    assert told == ["LeNet: epoch 3/5, loss 0.33, 12 s", "LeNet: epoch 5/5, loss 0.20, 20 s"]


def test_steps_that_ended_early_are_summed_up_once() -> None:
    told: list[str] = []
    with bar("CNNScratch", 60, unit="epoch", say=told.append, terminal=False, clock=lambda: 1.0) as tell:
        tell(41, "")
    assert told == ["CNNScratch: epoch 41/60, 0 s"]


def test_on_a_terminal_only_the_last_line_remains() -> None:
    told: list[str] = []
    with bar("timing", 2, unit="round", say=told.append, terminal=True, clock=lambda: 0.0) as tell:
        tell(1, "")
        tell(2, "")
    assert told == ["timing: round 2/2, 0 s"]


def test_an_error_passes_and_nothing_is_claimed() -> None:
    told: list[str] = []

    def fails() -> None:
        with bar("LeNet", 5, unit="epoch", say=told.append, terminal=False, clock=lambda: 0.0) as tell:
            tell(1, "")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert told == []
