"""The report as one HTML file that needs nothing else: no network; style, charts, photos and one script inside.

The script sorts tables (https://github.com/tofsjonas/sortable, in the public domain); without it they stay as they are.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from petiole import units
from petiole.records import Results
from petiole.report import chapters, compare, compress
from petiole.report.blocks import Cell, Page
from petiole.report.markdown import write_markdown
from petiole.report.pairs import Side
from petiole.report.prose import paragraphs
from petiole.rundir import write_atomic
from petiole.search_records import SearchResults


def write_report(run_dir: Path, results: Results) -> Path:
    """Write ``report.html``, and ``report.md`` with ``charts/`` of the same content; gives the HTML file.

    All text from the records is escaped. The same records give the same bytes.

    Raises:
        UserError: ``run_dir`` cannot be written.
    """
    return _write(run_dir, chapters.page(results))


def write_search_report(run_dir: Path, results: SearchResults) -> Path:
    """The same of a search.

    Raises:
        UserError: ``run_dir`` cannot be written.
    """
    return _write(run_dir, compress.page(results))


def write_comparison(out: Path, first: Side, second: Side) -> Path:
    """The same of two runs, into a directory of its own.

    Raises:
        UserError: ``out`` cannot be written.
    """
    return _write(out, compare.page(first, second, out))


SCRIPTS = ("sortable.min.js", "sortable.a11y.min.js")


def _write(run_dir: Path, page: Page) -> Path:
    environment = Environment(
        loader=PackageLoader("petiole.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: units.one_line(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["svg"] = Markup  # only charts of ours: their text is escaped where they are drawn
    environment.filters["sort_key"] = _sort_key
    environment.filters["paragraphs"] = lambda text: paragraphs(text, dict(page.places))
    environment.filters["named"] = _links_to(page.places)
    environment.filters["embedded"] = lambda name: _embedded(run_dir / name)
    css, *scripts = (
        (files("petiole.report") / name).read_text(encoding="utf-8").strip() for name in ("report.css", *SCRIPTS)
    )
    path = run_dir / "report.html"
    text = environment.get_template("report.html").render(
        page=page, css=Markup(css), scripts=[Markup(script) for script in scripts],
        hashes=[base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts],
    )  # fmt: skip
    write_atomic(path, text)
    write_markdown(run_dir, page)
    return path


def _sort_key(cell: Cell) -> str:
    """What a column of numbers is sorted by; nothing for what has no value."""
    number = units.leading_number(str(cell))
    return "" if number is None else f"{number:.10g}"


def _links_to(places: Sequence[tuple[str, str]]) -> Callable[[str], Markup]:
    """A filter that escapes prose and makes links of the names in it.

    >>> str(_links_to([("A", "#a"), ("A-qat", "#q"), ("lt", "#l")])("A<A-qat and A-more"))
    '<a href="#a">A</a>&lt;<a href="#q">A-qat</a> and A-more'
    """
    to = dict(places)
    names = "|".join(re.escape(name) for name in sorted(to, key=len, reverse=True))
    pattern = re.compile(rf"(?<![\w-])({names})(?![\w-])" if to else "(?!)")

    def linked(text: str) -> Markup:
        parts = pattern.split(units.one_line(text))  # between names, a name, between names ...
        return Markup("").join(
            Markup('<a href="{}">{}</a>').format(to[part], part) if at % 2 else escape(part)
            for at, part in enumerate(parts)
        )

    return linked


def _embedded(path: Path) -> str:
    """A photo as a data URL; nothing where it is no longer there."""
    return f"data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode()}" if path.is_file() else ""
