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
from petiole.errors import UserError
from petiole.records import Results
from petiole.report import chapters, compare, compress
from petiole.report.blocks import Cell, Counted, Linked, Page
from petiole.report.drawing import board
from petiole.report.markdown import write_markdown
from petiole.report.pairs import Side
from petiole.report.prose import paragraphs
from petiole.report.provenance import is_within
from petiole.search_records import SearchResults
from petiole.writing import user_errors, write_atomic


def write_report(run_dir: Path, results: Results) -> Path:
    """Write ``report.html``, and ``report.md`` with ``charts/`` of the same content; gives the HTML file.

    All text from the records is escaped. The same records give the same bytes.

    Raises:
        UserError: ``run_dir`` cannot be written.
    """
    with board():
        return _write(run_dir, chapters.page(results), [results.run.command])


def write_search_report(run_dir: Path, results: SearchResults) -> Path:
    """The same of a search.

    Raises:
        UserError: ``run_dir`` cannot be written.
    """
    with board():
        return _write(run_dir, compress.page(results), [results.run.command])


def write_comparison(out: Path, first: Side, second: Side) -> Path:
    """The same of two runs, into a directory of its own.

    Raises:
        UserError: ``out`` cannot be written, or holds something else.
    """
    _require_own(out)
    with board():
        return _write(out, compare.page(first, second, out), [side.results.run.command for side in (first, second)])


def _require_own(out: Path) -> None:
    """Refuse a directory of other things than an earlier comparison: they could be overwritten."""
    with user_errors(out):
        theirs = sorted(each.name for each in out.iterdir() if each.name not in WRITTEN) if out.is_dir() else []
        page = out / "report.html"
        if page.is_file() and OURS.encode() not in page.read_bytes()[:OURS_WITHIN_BYTES]:
            theirs.insert(0, page.name)
    if theirs:
        raise UserError(f"{out} holds {theirs[0]}, which is of no comparison: choose another --out")


WRITTEN = {"report.html", "report.md", "charts", "thumbnails"}
OURS, OURS_WITHIN_BYTES = '<meta name="generator" content="Petiole">', 4096
"""How a page of ours is told from others."""
SCRIPTS = ("sortable.min.js", "sortable.a11y.min.js")


def _write(run_dir: Path, page: Page, commands: Sequence[str]) -> Path:
    """``commands`` are those that are shown as such wherever they stand."""
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
    environment.filters["digits"] = _digits
    environment.filters["paragraphs"] = lambda text: paragraphs(text, dict(page.places))
    coded, linked = _commands_in(commands), _links_to(page.places)
    environment.filters["command"] = _command
    environment.filters["coded"] = lambda text: coded(text, lambda part: escape(UNIT.sub("\N{NO-BREAK SPACE}", part)))
    environment.filters["named"] = lambda text: coded(text, linked)
    environment.filters["pieces"] = _pieces
    environment.filters["embedded"] = lambda name: _embedded(run_dir, name)
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
    exact = _counted(cell)
    number = units.leading_number(str(cell)) if exact is None else exact.value
    return "" if number is None else f"{number:.10g}"


def _digits(cell: Cell) -> str:
    """All digits of an exact count that is shown shortened; nothing for other cells."""
    exact = _counted(cell)
    return "" if exact is None else f"{exact.value:,.0f}"


def _counted(cell: Cell) -> Counted | None:
    text = cell.text if isinstance(cell, Linked) else cell
    return text if isinstance(text, Counted) else None


UNIT = re.compile(r"(?<=\d) (?=(?:us|ms|s|min|h|bytes|kB|MB|GB|k|M|points?)\b)")
"""The space between a number and its unit, where prose must not be broken."""


def _links_to(places: Sequence[tuple[str, str]]) -> Callable[[str], Markup]:
    """A filter that escapes prose and makes links of the names in it.

    >>> str(_links_to([("A", "#a"), ("A-qat", "#q"), ("lt", "#l")])("A<A-qat and A-more"))
    '<a href="#a">A</a>&lt;<a href="#q">A-qat</a> and A-more'
    """
    to = dict(places)
    names = "|".join(re.escape(name) for name in sorted(to, key=len, reverse=True))
    pattern = re.compile(rf"(?<![\w-])({names})(?![\w-])" if to else "(?!)")

    def linked(text: str) -> Markup:
        parts = pattern.split(
            UNIT.sub("\N{NO-BREAK SPACE}", units.one_line(text))
        )  # between names, a name, between names ...
        return Markup("").join(
            Markup('<a href="{}">{}</a>').format(to[part], part) if at % 2 else escape(part)
            for at, part in enumerate(parts)
        )

    return linked


COMMAND = re.compile(
    r"petiole (?:bench|check|compress|lab|predict|report)\b"
    r"(?: (?:--[\w-]+|'[^']*'|[A-Z]{2,}\b|[\w-]*[./][\w./-]*\w|\.(?= )))*"
)
"""A command in prose: its verb, and what can be nothing but an argument."""


def _commands_in(commands: Sequence[str]) -> Callable[[str, Callable[[str], Markup]], Markup]:
    """What shows commands in a text as such (these ones, and what looks like one of ours), and gives the text between
    them to a function that escapes it.

    >>> str(_commands_in(["./a <b>"])("./a <b> (1 s). Or petiole report RUN.", escape))
    '<code><span>./a</span> <span>&lt;b&gt;</span></code> (1 s). Or <code><span>petiole</span> <span>report</span> \
<span>RUN</span></code>.'
    """
    known = sorted({units.one_line(each) for each in commands if " " in each.strip()}, key=len, reverse=True)
    pattern = re.compile("|".join([*map(re.escape, known), COMMAND.pattern]))

    def coded(text: str, between: Callable[[str], Markup]) -> Markup:
        line, parts, end = units.one_line(text), [], 0
        for found in pattern.finditer(line):
            parts += [between(line[end : found.start()]), _command(found[0])]
            end = found.end()
        return Markup("").join([*parts, between(line[end:])])

    return coded


def _command(text: str) -> Markup:
    """A command, which breaks between its words only."""
    words = (Markup("<span>{}</span>").format(word) for word in units.one_line(str(text)).split(" "))
    return Markup("<code>{}</code>").format(Markup(" ").join(words))


def _pieces(text: str) -> Markup:
    """A cell's text; where it begins with a number, in pieces that hold a number and its unit together.

    >>> print(_pieces("2.04 ms (1.99-2.09)"), _pieces("36 / 0, p < 0.001"))
    <span>2.04 ms</span> <span>(1.99-2.09)</span> <span>36 / 0,</span> <span>p &lt; 0.001</span>
    >>> print(_pieces("4.07 ms / 4.58 ms"), _pieces("not timed"))
    <span>4.07 ms /</span> <span>4.58 ms</span> not timed
    """
    line = units.one_line(text)
    if units.leading_number(line) is None or not re.search(r"[ -]", line[1:]):
        return escape(line)
    pieces = re.split(r"(?<=[,)]) | (?=\()|(?<=[A-Za-z] /) ", line)
    return Markup(" ").join(Markup("<span>{}</span>").format(piece) for piece in pieces)


def _embedded(run_dir: Path, name: str) -> str:
    """A photo of the run directory as a data URL; nothing where it is no longer there, or a link leads elsewhere."""
    if not is_within(run_dir, run_dir / name):
        return ""
    return f"data:image/jpeg;base64,{base64.b64encode((run_dir / name).read_bytes()).decode()}"
