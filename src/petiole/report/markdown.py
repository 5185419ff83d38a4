"""The report as Markdown, with its charts as SVG files beside it."""

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from petiole import units
from petiole.errors import UserError
from petiole.report.blocks import Block, Cell, Failed, Linked, Page, Photo, Picture, Question, Steps, Strip, Table, Text
from petiole.report.charts import as_file
from petiole.report.prose import paragraphs
from petiole.writing import write_atomic


def write_markdown(run_dir: Path, page: Page) -> Path:
    """Write ``report.md`` and ``charts/*.svg``.

    Raises:
        UserError: ``run_dir`` cannot be written, or its charts are a link.
    """
    if (run_dir / "charts").is_symlink():
        raise UserError(f"{run_dir / 'charts'} is a link, and what it leads to is not the run's: remove it")
    inside = (block for chapter in page.chapters for block in chapter.blocks)
    pictures = {block.name: block for block in (*page.pictures, *inside) if isinstance(block, Picture)}
    for old in (run_dir / "charts").glob("*.svg"):
        if old.stem not in pictures and (run_dir / "results.json").is_file():  # a run's own, not anybody's directory
            old.unlink(missing_ok=True)  # of a run with other stages
    for name, picture in pictures.items():
        write_atomic(run_dir / "charts" / f"{name}.svg", as_file(picture))
    path = run_dir / "report.md"
    write_atomic(path, render(page))
    return path


def render(page: Page) -> str:
    """The whole page as Markdown text."""
    parts = [f"# {escape(page.title)}", escape(page.byline)]
    parts += [f"> **{escape(banner)}**" for banner in page.banners]
    parts.append("\n".join(f"- **{escape(name)}**: {escape(text)}" for name, text in page.facts))
    if page.failures:
        parts.append("**Failures**\n\n" + _failures(page.failures))
    if page.findings:
        lines = (line for text in page.findings for line in _finding(text))
        parts.append("## Key findings\n\n" + "\n".join(lines))
    parts += [_block(picture) for picture in page.pictures]
    if page.tables:
        parts.append(f"## {escape(page.tables_title)}")
    if page.further:
        parts.append("\n".join(f"- {escape(text)}" for text in page.further))
    parts += [_table(table) for table in page.tables]
    if page.chapters:
        parts.append(
            "## Chapters\n\n" + "\n".join(f"- [{escape(each.title)}](<#{each.anchor}>)" for each in page.chapters)
        )
    for chapter in page.chapters:
        parts.append(f'## <a id="{chapter.anchor}"></a>{escape(chapter.title)}')
        parts += [_block(block, chapter.source, dict(page.places)) for block in chapter.blocks]
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Text that Markdown and the HTML within it show as it is, in one line.

    >>> escape("a|b <i> *c*")
    'a\\\\|b &lt;i&gt; \\\\*c\\\\*'
    """
    line = units.one_line(" ".join(text.split())).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~])", r"\\\1", line)


def _finding(text: str) -> Iterator[str]:
    """An item of a list; further lines of it are items below it."""
    for at, line in enumerate(text.split("\n")):
        yield f"{'  ' if at else ''}- {escape(line)}"


def _block(block: Block, source: str = "", names: Collection[str] = ()) -> str:
    match block:
        case Text():
            return escape(block.text)
        case Steps():
            return "\n".join(f"- **{escape(name)}**: {escape(how)}" for name, how in block.steps)
        case Table():
            return _table(block, source)
        case Picture():
            return f"![{escape(block.alt)}](charts/{block.name}.svg)\n\n*{escape(block.caption)}*"
        case Strip():
            return f"{escape(block.caption)}\n\n" + "\n".join(_photo(photo) for photo in block.photos)
        case Question():
            evidence = ", ".join(block.evidence) or "the tables of this chapter"
            lead, rest = paragraphs(block.answer, names)
            parts = [f"**{escape(block.question)}**", *map(escape, (lead, *rest)), f"*Evidence: {escape(evidence)}*"]
            return "\n\n".join(parts)
        case Failed():
            return "**Failed in this section**\n\n" + _failures(block.failures)


def _photo(photo: Photo) -> str:
    said = ", ".join(part for part in (photo.mark, *photo.lines) if part)
    return f"- ![{escape(photo.alt)}](<{photo.file}>) {escape(said)}".rstrip()


def _cell(cell: Cell) -> str:
    """A cell's text; what leads to a file, to a command or to the files of a variant is a link."""
    text = escape(str(cell))
    if not isinstance(cell, Linked):
        return text
    named = f'<a id="{cell.name}"></a>' if cell.name else ""
    inside = ("#source-", "#command-")  # chapters have no anchors here
    leads = not cell.href.startswith("#") or cell.href.startswith(inside)
    return f"{named}[{text}](<{cell.href}>)" if leads else f"{named}{text}"


def _failures(rows: tuple[tuple[str, str], ...]) -> str:
    return "\n".join(f"- **{escape(name)}** failed: {escape(why)}" for name, why in rows)


def _table(table: Table, source: str = "") -> str:
    """A table; where neither its rows nor its columns lead to their source, its caption does."""
    anchor = table.source or source
    named = [*table.header, *(row[0] for row in table.rows)]
    leads = anchor.startswith("command-") and not any(isinstance(cell, Linked) for cell in named)
    caption = f"{escape(table.caption)} ([made by](<#{anchor}>))" if leads else escape(table.caption)
    rules = ["---:" if table.is_number(column) else "---" for column in range(len(table.header))]
    rows = [table.header, *table.rows]
    lines = ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    lines.insert(1, "| " + " | ".join(rules) + " |")
    return f"{caption}\n\n" + "\n".join(lines)
