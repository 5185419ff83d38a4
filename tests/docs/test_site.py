"""The documentation builds without a warning, and its reference says what the program says."""

import html
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from petiole.cli import app
from petiole.deploy.artifact import Card
from petiole.errors import GoalError, PetioleError, UserError
from petiole.inference_records import Benchmark, Prediction
from petiole.search_records import SearchResults

ROOT = Path(__file__).parents[2]
GROUP: Any = typer.main.get_command(app)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built pages; warnings are errors."""
    place = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", str(place / "doctrees")]
    done = subprocess.run(
        [*command, str(ROOT / "docs"), str(place / "html")],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return place / "html"


def words(markup: str) -> str:
    """What a reader sees, in one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", markup)).split())


def section(page: str, anchor: str) -> str:
    """The markup of the section with that id."""
    found = re.search(rf'<section id="{anchor}">.*?</section>', page, re.DOTALL)
    assert found, anchor
    return found[0]


def helped(*arguments: str) -> list[str]:
    """The lines of ``--help``, none of them broken."""
    done = CliRunner().invoke(
        app, [*arguments, "--help"], env={"COLUMNS": "1000"}, terminal_width=1000, max_content_width=1000
    )
    assert done.exit_code == 0
    return [line for line in done.output.splitlines() if line.strip()]


@pytest.mark.parametrize("command", GROUP.commands)
def test_the_reference_equals_help(command: str, site: Path) -> None:
    page = (site / "reference" / "cli.html").read_text(encoding="utf-8")
    shown = words(section(page, f"command-{command}"))
    rows = 0
    for line in helped(command):
        text = re.sub(r"^Usage: \S+", "petiole", line).strip()
        if text in {"Arguments:", "Options:"}:
            continue
        for part in re.split(r"\s{2,}-\s{2,}|(?<=\S)\s{2,}|Examples?: ", text):
            assert part in shown, part
            rows += 1
    assert rows > 2 * len(GROUP.commands[command].params)


def test_the_reference_has_no_other_options(site: Path) -> None:
    page = (site / "reference" / "cli.html").read_text(encoding="utf-8")
    for command in GROUP.commands:
        cells = re.findall(r"<tr[^>]*><td><p>(.*?)</p></td>", section(page, f"command-{command}"))
        options = {line.split()[0] for line in helped(command) if line.startswith("  --")}
        assert {words(cell).split()[0] for cell in cells if words(cell).startswith("--")} == options
        assert "--help" in options


def test_the_exit_codes_are_those_of_the_errors(site: Path) -> None:
    shown = words((site / "reference" / "cli.html").read_text(encoding="utf-8"))
    for error, meaning in (
        (PetioleError, "a defect"),
        (UserError, "the input is wrong"),
        (GoalError, "the goal cannot"),
    ):
        assert f"{error.exit_code} {meaning}" in shown


@pytest.mark.parametrize(
    ("page", "root"),
    [("records", SearchResults), ("records", Benchmark), ("records", Prediction), ("artifact", Card)],
)
def test_every_key_of_the_records_is_listed(page: str, root: Any, site: Path) -> None:
    """Against pydantic's own JSON schema."""
    pages = "".join((site / "reference" / f"{name}.html").read_text(encoding="utf-8") for name in {page, "records"})
    schema = root.model_json_schema(by_alias=True)
    for name, model in {root.__name__: schema, **schema.get("$defs", {})}.items():
        table = section(pages, f"record-{name.lower()}")
        listed = [words(cell) for cell in re.findall(r"<tr[^>]*><td><p>(.*?)</p></td>", table)]
        assert listed == list(model["properties"])
        required = [words(cell) for cell in re.findall(r"<td><p>(required)</p></td>", table)]
        assert len(required) == len(model.get("required", []))


def test_the_pages_of_the_four_kinds_are_there(site: Path) -> None:
    for name in ("tutorial/pruning", "how-to/deploy", "reference/python", "explanation/photos", "log"):
        assert (site / f"{name}.html").is_file()
    assert "petiole.api.compress" in (site / "reference" / "python.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name",
    [
        "pruning.pruner.ChannelPruner",
        "pruning.pruner.ChannelPruner.prune",
        "chain.channel_choice.scorer",
        "chain.channel_choice.share_of_costs",
        "chain.prune_retrain.prune_and_retrain",
        "training.distillation.Distillation",
    ],
)
def test_what_removes_channels_and_retrains_is_in_the_reference(name: str, site: Path) -> None:
    assert f'id="petiole.{name}"' in (site / "reference" / "python.html").read_text(encoding="utf-8")
