"""The reference of the command line, made from the commands themselves: it cannot be out of date."""

import re
from collections.abc import Iterator
from typing import Any

import typer
import typer.main

from petiole.cli import app


def markdown() -> str:
    """A section for each command: what it does, how it is called, its arguments and options, examples."""
    group = typer.main.get_command(app)
    sections = [_options(typer.Context(group, info_name="petiole"))]
    for name, command in group.commands.items():  # type: ignore[attr-defined]  # a group of commands
        sections += _section(name, typer.Context(command, info_name=f"petiole {name}"))
    return "\n\n".join(sections) + "\n"


def _section(name: str, context: typer.Context) -> Iterator[str]:
    command: Any = context.command
    yield f"(command-{name})=\n## petiole {name}"
    yield " ".join(command.help.split("\n\n")[0].split())
    yield f"```text\n{' '.join(['petiole', name, *command.collect_usage_pieces(context)])}\n```"
    yield from (" ".join(part.split()) for part in command.help.split("\n\n")[1:])
    yield _options(context)
    if command.epilog:
        yield f"```sh\n{_examples(command.epilog)}\n```"


def _options(context: typer.Context) -> str:
    """A table of what ``--help`` lists, in its words."""
    command: Any = context.command
    rows = [parameter.get_help_record(context) for parameter in command.get_params(context)]
    body = [f"| `{row[0]}` | {_plain(row[1])} |" for row in rows if row]  # hidden ones have none
    return "\n".join(["```{table}", ":class: options", "", "| option | what it does |", "| --- | --- |", *body, "```"])


def _plain(text: str) -> str:
    """Help texts are plain: what Markdown would read as markup is escaped, and options are set as code."""
    escaped = "".join(f"\\{sign}" if sign in "|*_<>[]`" else sign for sign in " ".join(text.split()))
    return re.sub(r"--[a-z-]+", r"`\g<0>`", escaped)


def _examples(epilog: str) -> str:
    """``Example: petiole ...`` or ``Examples: petiole ...   -   petiole ...``, one a line."""
    _, _, commands = epilog.partition(":")
    return "\n".join(each.strip() for each in commands.split("   -   "))
