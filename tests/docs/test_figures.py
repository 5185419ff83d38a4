"""The numbers in the documentation: examples give what they show, and the tutorial's figures are the README's."""

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
EXAMPLE = re.compile(r"^```pycon\n(.*?)^```", re.MULTILINE | re.DOTALL)
WITH_EXAMPLES = [page for page in sorted(DOCS.rglob("*.md")) if EXAMPLE.search(page.read_text(encoding="utf-8"))]


def rows(text: str) -> dict[str, list[str]]:
    """Table rows that begin with a network's name: the name, and the other cells."""
    found = re.findall(r"^\| `((?:CNN|LeNet)[\w-]*)`[^|]*\|(.*)\|$", text, re.MULTILINE)
    return {name: [cell.strip() for cell in cells.split("|")] for name, cells in found}


MEASURED = rows((ROOT / "README.md").read_text(encoding="utf-8"))
QUOTED = [
    (page.stem, name, cells)
    for page in sorted((DOCS / "tutorial").glob("*.md"))
    for block in re.findall(r"^\| network \| accuracy .*?(?=\n\n)", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    for name, cells in rows(f"{block}\n").items()
]


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: page.stem)
def test_the_examples_of_a_page(page: Path) -> None:
    text = "\n".join(EXAMPLE.findall(page.read_text(encoding="utf-8")))
    test = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    told: list[str] = []
    result = doctest.DocTestRunner().run(test, out=told.append)
    assert result.attempted > 3
    assert result.failed == 0, "".join(told)


@pytest.mark.parametrize(("page", "name", "cells"), QUOTED, ids=[f"{page}-{name}" for page, name, _ in QUOTED])
def test_the_tutorial_quotes_the_readme(page: str, name: str, cells: list[str]) -> None:
    assert len(cells) == 3
    for cell, measured in zip(cells, MEASURED[name], strict=True):
        assert measured.startswith(cell)


def test_the_tutorial_quotes_something() -> None:
    assert len(QUOTED) > 8


def test_wilsons_interval_step_by_step() -> None:
    """The table of the essay, by its own formulas."""
    text = (DOCS / "explanation" / "photos.md").read_text(encoding="utf-8")
    share, total, z2 = 146 / 153, 153, 1.959964**2
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = z2**0.5 / (1 + z2 / total) * (share * (1 - share) / total + z2 / (4 * total**2)) ** 0.5
    steps = [
        f"{share:.4f}",
        f"{z2:.3f}",
        f"{centre:.4f}",
        f"{half:.4f}",
        f"{centre - half:.4f} and {centre + half:.4f}",
    ]
    shown = re.findall(r"^\| (?:share|quantile, squared|centre|half width|ends) \|.*\| (.*) \|$", text, re.MULTILINE)
    assert shown == steps


def test_the_flips_of_the_essay_add_up() -> None:
    text = (DOCS / "explanation" / "flips.svg").read_text(encoding="utf-8")
    both, lost, gained, neither = map(int, re.findall(r'class="number"[^>]*>(\d+)<', text))
    assert both + lost + gained + neither == 153
    assert f"{both} + {lost} = {both + lost} against {both} + {gained} = {both + gained}, of 153" in text
    assert (both + lost, lost, gained) == (146, 5, 3)


def test_the_file_sizes_of_the_essay() -> None:
    text = (DOCS / "explanation" / "masks.md").read_text(encoding="utf-8")
    weights, kept = 64 * 3 * 7 * 7, 64 * 3 * 7 * 7 - round(0.3 * 64 * 3 * 7 * 7)
    dense, positions, bitmask = 4 * weights, 8 * kept, 4 * kept + weights // 8
    for size, share in ((dense, 100), (positions, 140), (bitmask, 73)):
        assert re.search(rf"= {size:,} \| {share}% \|", text)
        assert round(100 * size / dense) == share
    assert round(100 * 0.9**16) == 19
    assert "Even with 90% zeros it is 19%." in text
