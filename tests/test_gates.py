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
TIMEOUT_S = 900
"""For all runs together: without its gate, a test may go on for ever."""


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
def failed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[list[str]]]:
    """What failed of each test, as the sources are and without each gate; run once, in a process of its own."""
    result = tmp_path_factory.mktemp("gates") / "failed.json"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(SOURCES), str(Path(__file__).parent)])
    done = subprocess.run(
        [sys.executable, switch_off.__file__, str(result)],
        env=environment,
        cwd=SOURCES.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert result.is_file(), done.stdout + done.stderr
    content: dict[str, list[list[str]]] = json.loads(result.read_text(encoding="utf-8"))
    return content


def test_the_tests_pass_as_the_sources_are(failed: dict[str, list[list[str]]]) -> None:
    tests = {key: runs for key, runs in failed.items() if "::" in key}
    assert len(tests) >= len({gate.test for gate in GATES})
    assert not [key for key, runs in tests.items() if runs != [[]]]


@pytest.mark.parametrize("gate", GATES, ids=switch_off.key_of)
def test_a_gate_that_is_switched_off_is_missed(gate: Gate, failed: dict[str, list[list[str]]]) -> None:
    runs = failed[switch_off.key_of(gate)]
    assert ["call"] in runs, f"nothing fails without {gate}"
    assert all(run in ([], ["call"]) for run in runs), "what fails is the test, not what stands around it"


def test_a_gate_that_its_test_does_not_look_at_would_be_found(failed: dict[str, list[list[str]]]) -> None:
    """The check can fail: a test of damaged weights passes without the gate that misses a file."""
    assert failed[switch_off.key_of(switch_off.CONTROL)] == [[]]
