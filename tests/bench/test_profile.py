"""The profiler's figures: calls counted over all runs, times that add up, nothing printed."""

import os
from functools import partial

import pytest
import torch

from petiole.bench.profile import _without_chatter, profile


def test_operators_of_a_known_call(capfd: pytest.CaptureFixture[str]) -> None:
    left, right = torch.ones(64, 64), torch.ones(64, 64)
    made: list[int] = []

    def call() -> None:
        made.append(1)
        torch.relu(torch.mm(left, right)) + torch.mm(left, right)

    operators, total_ms = profile({"it": call}, rounds=5, top=100, warmup_calls=2)["it"]
    assert len(made) == 2 + 5
    by_name = {operator.name: operator for operator in operators}
    assert by_name["aten::mm"].calls == 2
    assert by_name["aten::relu"].calls == 1
    assert all(operator.self_cpu_ms >= 0 for operator in operators)
    mean_ms = sum(operator.self_cpu_ms for operator in operators)
    assert 0.2 * mean_ms < total_ms < 5 * mean_ms, "the median of the rounds, which these times add up to"
    assert total_ms > 0
    written = capfd.readouterr()
    assert (written.out, written.err) == ("", "")


def test_the_most_expensive_come_first_and_the_total_holds_all() -> None:
    large, small = torch.ones(300, 300), torch.ones(2)
    calls = {"it": lambda: (torch.mm(large, large), small + small)}
    operators, total_ms = profile(calls, rounds=1, top=2)["it"]
    assert len(operators) == 2
    assert operators[0].name == "aten::mm"
    assert operators[0].self_cpu_ms >= operators[1].self_cpu_ms
    assert total_ms >= sum(operator.self_cpu_ms for operator in operators) - 1e-9


def test_a_real_error_of_native_code_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with _without_chatter():
        os.write(2, b"USDT:2026 profiler_start\nERROR:2026 the trace is lost\n")
    assert capfd.readouterr().err == "ERROR:2026 the trace is lost\n"


def test_no_runs_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        profile({}, rounds=0)


def test_calls_take_turns() -> None:
    order: list[str] = []
    found = profile({name: partial(order.append, name) for name in "ab"}, rounds=2, warmup_calls=1)
    assert "".join(order) == "ab" + "abab"
    assert set(found) == {"a", "b"}
