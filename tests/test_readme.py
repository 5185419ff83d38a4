"""The commands that the README shows: each one parses, and each target of make is there."""

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from petiole.cli import app

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"^```\w*\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
LINES = [line for block in BLOCKS for line in block.splitlines() if line.strip()]


def test_there_are_commands() -> None:
    assert {"make lab", "make test"} <= set(LINES)


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("make ")])
def test_make_has_the_target(line: str) -> None:
    targets = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert line.split()[1] in targets


@pytest.mark.parametrize("line", [line for line in LINES if "petiole " in line])
def test_petiole_knows_the_command_and_its_options(line: str) -> None:
    words = shlex.split(line)
    if "-m" in words:  # started by another program, such as accelerate
        words = words[words.index("-m") + 1 :]
    program, verb, *arguments = words
    assert program.endswith("petiole")
    command = typer.main.get_command(app).commands[verb]  # type: ignore[attr-defined]  # a group of commands
    assert command.make_context(verb, arguments).params
