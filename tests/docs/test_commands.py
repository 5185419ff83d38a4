"""The commands that the README, the documentation and ``--help`` show: none can be wrong.

``petiole lab`` and ``petiole compress`` are followed until the run would begin, so that options and their values are
checked; the lab's of a page also one after another, so that none is refused for what another has left. The others are
parsed and carried out, of ``predict`` and ``bench`` one line each. What they work on is a small run: that of the
README, with the options of ``SMALL`` put behind what it shows, and links for the folders that the pages name
(``STANDS_FOR``).
"""

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from fabricated import results
from petiole import recipes
from petiole.cli import app
from petiole.lab.config import LabConfig
from petiole.records import Stage, to_json
from petiole.rundir import RunDir
from petiole.search.recipe import Recipe, RecipeFile, RecipeLimits

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TOCTREE = re.compile(r"^```\{toctree\}\n(?::.*\n)*\n(?P<pages>(?:.+\n)+)```$", re.MULTILINE)
SHELLS = {"", "sh", "bash", "console"}
GROUP: Any = typer.main.get_command(app)
OTHERS = {"export", "source", "scp", "pip"}
"""Programs that are not ours, and are taken as they are."""

SMALL = {
    "lab": ["--profile", "quick", "--stages", "scratch", "--offline"],
    "draw": ["--count", "10"],
    "bench": ["--samples", "20", "--runtime", "openvino"],
    "predict": ["--runtime", "onnxruntime"],
}
STANDS_FOR = {
    "hymenoptera_data": "sample",
    "photos": "sample",
    "folder": "sample/val/ants",
    "holiday": "sample/val/bees",
    "photo.jpg": "sample/val/ants/ant.jpg",
    "runs/lab": "runs/first",
    "runs/alexnet": "runs/first",
    "runs/final": "runs/first",
    "runs/first/artifacts/CNNOptimized-static-int8": "runs/first/artifacts/CNNScratch",
    "runs/compress/artifacts/NETWORK": "runs/first/artifacts/CNNScratch",
    "networks/ants": "runs/first/artifacts/CNNScratch",
}


class _ReachedError(Exception):
    """The run would begin now."""


def _shown(page: Path) -> list[str]:
    """The lines of a page's blocks, in their order."""
    blocks = [text for language, text in BLOCK.findall(page.read_text(encoding="utf-8")) if language in SHELLS]
    return [line.split(" # ")[0].strip() for block in blocks for line in block.splitlines()]


def _lines() -> list[str]:
    shown = [line for page in PAGES for line in _shown(page)]
    for command in GROUP.commands.values():
        _, _, examples = (command.epilog or "").partition(": ")
        shown += [example.strip() for example in examples.split("   -   ")]
    return list(dict.fromkeys(line for line in shown if line))


def _arguments(line: str) -> list[str] | None:
    """What follows ``petiole`` on a line, up to what is the shell's own; None where it is another program's."""
    words = shlex.split(line)
    words = words[: next((at for at, word in enumerate(words) if word in {">", "|", "||", "&&"}), len(words))]
    if "-m" in words:  # started by another program, such as accelerate
        words = words[words.index("-m") + 1 :]
    return words[1:] if Path(words[0]).name == "petiole" else None


LINES = _lines()
OURS = {line: found for line in LINES if (found := _arguments(line)) is not None}
STARTED = {line: words for line, words in OURS.items() if words[0] in {"lab", "compress"} and "--help" not in words}
READY = {line: words for line, words in OURS.items() if line not in STARTED}
ONCE = [next(line for line, words in READY.items() if words[0] == verb) for verb in ("predict", "bench")]
CARRIED_OUT = {line: words for line, words in READY.items() if words[0] not in {"predict", "bench"} or line in ONCE}
TUTORIAL = ROOT / "docs" / "tutorial"
CHAPTERS = TOCTREE.search((TUTORIAL / "index.md").read_text(encoding="utf-8"))
READ_TOGETHER = [
    [TUTORIAL / f"{name}.md" for name in ("index", *(CHAPTERS["pages"].split() if CHAPTERS else []))],
    *([page] for page in PAGES if page.parent != TUTORIAL),
]
"""Pages whose commands are typed one after another: those of the tutorial, and each other one for itself."""
IN_ORDER = {
    pages[0].relative_to(ROOT).as_posix(): [
        words for page in pages for line in _shown(page) if (words := STARTED.get(line)) and words[0] == "lab"
    ]
    for pages in READ_TOGETHER
}
FIRST = next(words for words in STARTED.values() if words[0] == "lab")


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with drawn photos, the run of the README's first command made small, and all that the pages name."""
    place = tmp_path_factory.mktemp("workshop")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        assert CliRunner().invoke(app, ["draw", "sample", "--count", "24"]).exit_code == 0
        next(Path("sample/val/ants").glob("*.jpg")).rename("sample/val/ants/ant.jpg")
        for name, target in STANDS_FOR.items():
            if not name.startswith("runs/first/"):
                Path(name).parent.mkdir(parents=True, exist_ok=True)
                Path(name).symlink_to(place / target)
        least = recipes.quick().model_copy(update={"scratch_epochs": 1, "latency_rounds": 1, "profile_rounds": 1})
        patch.setitem(recipes.PROFILES, "quick", lambda: least)
        done = CliRunner().invoke(app, [*FIRST, *SMALL["lab"]])
        assert done.exit_code == 0, done.output
        shutil.copytree("runs/first", "runs/resnet18", symlinks=True)
        link = Path("runs/first/artifacts/CNNOptimized-static-int8")
        link.symlink_to(place / STANDS_FOR[str(link)])
        recipe = Recipe(backbone="efficientnet_lite0", size_px=192, macs=0.6)
        RecipeFile(
            recipe=recipe, seed=0, weights="embedded", weights_sha256="", reference="", limits=RecipeLimits()
        ).write(Path("runs/compress/chosen.toml"))  # fmt: skip
        yield place


def test_the_pages_show_every_command() -> None:
    assert {"make lab", "make test"} <= set(LINES)
    assert {words[0] for words in OURS.values()} >= set(GROUP.commands)


@pytest.mark.parametrize("line", [line for line in LINES if line not in OURS])
def test_other_programs_are_make_with_a_target_or_known_ones(line: str) -> None:
    program, *words = line.split()
    if program == "make":
        targets = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert words[0] in targets
    else:
        assert program in OTHERS


@pytest.mark.parametrize("line", STARTED)
def test_a_run_would_begin(line: str, workshop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def reached(*_: object, **__: object) -> None:
        raise _ReachedError

    monkeypatch.chdir(workshop)
    monkeypatch.setattr("petiole.lab.run.run_lab", reached)
    monkeypatch.setattr("petiole.search.run.run_search", reached)
    done = CliRunner().invoke(app, STARTED[line])
    assert isinstance(done.exception, _ReachedError), done.output or done.exception


@pytest.mark.parametrize("page", [page for page, commands in IN_ORDER.items() if commands])
def test_no_command_of_a_page_is_refused_after_those_before_it(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is followed until data would be read; then it leaves the records that it would have left, so that the next
    one finds them: a part is refused in the directory of a whole run."""

    def leave_records(config: LabConfig, rundir: RunDir, *_: object, **__: object) -> None:
        stages = [Stage(name=name, seed=config.seed, seconds=1.0) for name in config.stages]
        seeds = list(range(config.seed, config.seed + config.seeds))
        run = results([], run_stages=stages, run_seeds=seeds, run_profile=config.profile)
        rundir.results.write_text(to_json(run), encoding="utf-8")
        raise _ReachedError

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("petiole.lab.run.set_up", leave_records)
    for words in IN_ORDER[page]:
        done = CliRunner().invoke(app, words)
        assert isinstance(done.exception, _ReachedError), done.output or done.exception


def test_the_tutorial_is_read_in_its_order() -> None:
    """The whole lab, then each of its chapters: one command, or two where a chapter has two kinds."""
    out = [words[words.index("--out") + 1] for words in IN_ORDER["docs/tutorial/index.md"]]
    assert out == ["runs/lab", "runs/scratch", "runs/transfer", "runs/pruning", "runs/pruning", "runs/study",
                   "runs/demos", "runs/quantization", "runs/lenet"]  # fmt: skip


@pytest.mark.parametrize("line", [line for line in READY if line not in CARRIED_OUT])
def test_a_command_is_understood(line: str) -> None:
    verb, *words = READY[line]
    assert GROUP.commands[verb].make_context(verb, words).params


@pytest.mark.parametrize("line", CARRIED_OUT)
def test_a_command_does_what_the_page_says(line: str, workshop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workshop)
    words = CARRIED_OUT[line]
    done = CliRunner().invoke(app, [*words, *SMALL.get(words[0], [])] if "--help" not in words else words)
    assert done.exit_code == 0, done.output or done.exception
