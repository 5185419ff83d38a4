"""Every gate is claimed by a test that fails when the gate is switched off; nothing is left to trust."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import switch_off
from gates import GATES, SOURCES, Found, Gate, found

FOUND = list(found())


@pytest.mark.parametrize("place", FOUND, ids=lambda place: f"{place.where}:{place.line}")
def test_every_gate_has_one_row(place: Found) -> None:
    rows = [gate for gate in GATES if gate.is_of(place)]
    assert len(rows) == 1, f"put one row for {place} into tests/gates.py, with a test that plants what it catches"


def test_every_row_is_of_one_gate() -> None:
    assert len(FOUND) > 70
    strays = [gate for gate in GATES if sum(gate.is_of(place) for place in FOUND) != 1]
    assert not strays
    assert max(Counter(switch_off.key_of(gate) for gate in GATES).values()) == 1


@pytest.fixture(scope="module")
def passed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bool]]:
    """Which tests passed, as the sources are and without each gate; run once, in a process of its own."""
    result = tmp_path_factory.mktemp("gates") / "passed.json"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(SOURCES), str(Path(__file__).parent)])
    done = subprocess.run(
        [sys.executable, switch_off.__file__, str(result)],
        env=environment,
        cwd=SOURCES.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.is_file(), done.stdout + done.stderr
    content: dict[str, list[bool]] = json.loads(result.read_text(encoding="utf-8"))
    return content


def test_the_tests_pass_as_the_sources_are(passed: dict[str, list[bool]]) -> None:
    tests = {key: results for key, results in passed.items() if "::" in key}
    assert len(tests) >= len({gate.test for gate in GATES})
    assert not [key for key, results in tests.items() if results != [True]]


@pytest.mark.parametrize("gate", GATES, ids=switch_off.key_of)
def test_a_gate_that_is_switched_off_is_missed(gate: Gate, passed: dict[str, list[bool]]) -> None:
    results = passed[switch_off.key_of(gate)]
    assert not all(results), f"nothing fails without {gate}"


def test_a_gate_that_its_test_does_not_look_at_would_be_found(passed: dict[str, list[bool]]) -> None:
    """The check can fail: a test of parity that has nothing to do with the tolerance passes without that gate."""
    assert passed[switch_off.key_of(switch_off.CONTROL)] == [True]
