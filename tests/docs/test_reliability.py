"""``docs/reliability.md`` is true: each test that it names is there, with as many cases as it says."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (?P<what>[^|]+) \| (?P<count>[\d,]+)[^|]*\| (?P<happens>[^|]+) \| `(?P<where>[^`|]+)` \|$", re.M)
ROWS = [row.groupdict() for row in ROW.finditer(PAGE)]
TESTED = {row["where"]: int(row["count"].replace(",", "")) for row in ROWS if "::" in row["where"]}


@pytest.fixture(scope="module")
def collected() -> Counter[str]:
    """How many cases pytest finds of each test that the page names."""
    files = sorted({where.split("::")[0] for where in TESTED})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:xdist", *files]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return Counter(line.split("[")[0] for line in found.splitlines() if "::" in line)


def test_every_row_is_read() -> None:
    lines = [line for line in PAGE.splitlines() if line.startswith("| ") and "---" not in line]
    headers = [line for line in lines if line.startswith("| What was tried")]
    assert len(ROWS) == len(lines) - len(headers) > 20
    assert re.search(r"\b[A-Z]{9,}\b", PAGE) is None, "nothing is left to be filled in"


@pytest.mark.parametrize("where", TESTED)
def test_as_many_cases_as_the_page_says(where: str, collected: Counter[str]) -> None:
    assert collected[where] == TESTED[where]


@pytest.mark.parametrize("where", sorted({row["where"] for row in ROWS} - set(TESTED)))
def test_what_was_not_a_test_can_be_run_again(where: str) -> None:
    script, *options = where.split()
    assert (ROOT / script).is_file()
    help_text = subprocess.run(
        [sys.executable, script, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for option in options:
        if option.startswith("--"):
            assert option in help_text
