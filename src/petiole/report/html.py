"""The report as one HTML file that needs nothing else: no network, no script, style and charts inside."""

from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from petiole.records import Results
from petiole.report import chapters, compress
from petiole.report.blocks import Page
from petiole.report.markdown import write_markdown
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


def _write(run_dir: Path, page: Page) -> Path:
    environment = Environment(
        loader=PackageLoader("petiole.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["svg"] = Markup  # only charts of ours: their text is escaped where they are drawn
    css = Markup((files("petiole.report") / "report.css").read_text(encoding="utf-8"))
    path = run_dir / "report.html"
    write_atomic(path, environment.get_template("report.html").render(page=page, css=css))
    write_markdown(run_dir, page)
    return path
