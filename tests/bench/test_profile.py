"""The profiler's figures: calls counted over all runs, times that add up, nothing printed."""

import os
from functools import partial

import pytest
import torch

from petiole.bench.profile import _median_run, _without_chatter, profile
from petiole.records import Operator


def test_operators_of_a_known_call(capfd: pytest.CaptureFixture[str]) -> None:
    left, right = torch.ones(64, 64), torch.ones(64, 64)
    made: list[int] = []

    def call() -> None:
        made.append(1)
        torch.relu(torch.mm(left, right)) + torch.mm(left, right)

    found = profile({"it": call}, rounds=5, top=100, warmup_calls=2)["it"]
    assert len(made) == 2 + 5
    by_name = {operator.name: operator for operator in found.operators}
    assert by_name["aten::mm"].calls == 2
    assert by_name["aten::relu"].calls == 1
    assert all(operator.self_cpu_ms >= 0 for operator in found.operators)
    assert sum(operator.self_cpu_ms for operator in found.operators) == pytest.approx(found.p50_ms), "one call's"
    assert 0 < found.p25_ms <= found.p50_ms <= found.p75_ms
    written = capfd.readouterr()
    assert (written.out, written.err) == ("", "")


def test_the_most_expensive_come_first_and_the_total_holds_all() -> None:
    large, small = torch.ones(300, 300), torch.ones(2)
    calls = {"it": lambda: (torch.mm(large, large), small + small)}
    found = profile(calls, rounds=1, top=2)["it"]
    first, second = found.operators
    assert first.name == "aten::mm"
    assert first.self_cpu_ms >= second.self_cpu_ms
    assert found.p50_ms >= first.self_cpu_ms + second.self_cpu_ms - 1e-9


def test_the_call_of_the_median_is_told_with_the_middle_half_of_all() -> None:
    def run(ms: float) -> list[Operator]:
        return [Operator(name="small", calls=1, self_cpu_ms=1.0), Operator(name="large", calls=2, self_cpu_ms=ms - 1)]

    found = _median_run([run(9.0), run(2.5), run(4.0), run(3.0), run(5.0)], top=1)
    assert (found.p50_ms, found.p25_ms, found.p75_ms) == (4.0, 3.0, 5.0), "of 2.5, 3, 4, 5, 9"
    assert [(each.name, each.calls, each.self_cpu_ms) for each in found.operators] == [("large", 2, 3.0)]
    assert _median_run([run(9.0), run(4.0)], top=1).p50_ms == 4.0, "of two the lower one"


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
