"""The report as Markdown, with its charts as SVG files beside it."""

import re
from pathlib import Path

from petiole.report.blocks import Block, Failed, Page, Picture, Question, Steps, Table, Text
from petiole.report.charts import as_file
from petiole.rundir import write_atomic


def write_markdown(run_dir: Path, page: Page) -> Path:
    """Write ``report.md`` and ``charts/*.svg``.

    Raises:
        UserError: ``run_dir`` cannot be written.
    """
    for chapter in page.chapters:
        for block in chapter.blocks:
            if isinstance(block, Picture):
                write_atomic(run_dir / "charts" / f"{block.name}.svg", as_file(block))
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
        parts.append("## Key findings\n\n" + "\n".join(f"- {escape(text)}" for text in page.findings))
    if page.tables:
        parts.append(f"## {escape(page.tables_title)}")
    parts += [_table(table) for table in page.tables]
    for chapter in page.chapters:
        parts.append(f"## {escape(chapter.title)}")
        parts += [_block(block) for block in chapter.blocks]
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Text that Markdown and the HTML within it show as it is, in one line.

    >>> escape("a|b <i> *c*")
    'a\\\\|b &lt;i&gt; \\\\*c\\\\*'
    """
    line = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~])", r"\\\1", line)


def _block(block: Block) -> str:
    match block:
        case Text():
            return escape(block.text)
        case Steps():
            return "\n".join(f"- **{escape(name)}**: {escape(how)}" for name, how in block.steps)
        case Table():
            return _table(block)
        case Picture():
            return f"![{escape(block.alt)}](charts/{block.name}.svg)\n\n*{escape(block.caption)}*"
        case Question():
            evidence = ", ".join(block.evidence) or "none"
            return f"**{escape(block.question)}**\n\n{escape(block.answer)}\n\n*Evidence: {escape(evidence)}*"
        case Failed():
            return "**Failed in this section**\n\n" + _failures(block.failures)


def _failures(rows: tuple[tuple[str, str], ...]) -> str:
    return "\n".join(f"- **{escape(name)}** failed: {escape(why)}" for name, why in rows)


def _table(table: Table) -> str:
    rules = ["---:" if table.is_number(column) else "---" for column in range(len(table.header))]
    rows = [table.header, *table.rows]
    lines = ["| " + " | ".join(escape(cell) for cell in row) + " |" for row in rows]
    lines.insert(1, "| " + " | ".join(rules) + " |")
    return f"{escape(table.caption)}\n\n" + "\n".join(lines)
