"""What a page is made of, whatever it is written in: HTML and Markdown render the same blocks."""

import re
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import ClassVar, Self


@dataclass(frozen=True, kw_only=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True, kw_only=True)
class Steps:
    """How each network was made: its name and the words for it."""

    kind: ClassVar[str] = "steps"
    steps: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Linked:
    """Text of a table that leads somewhere: a file of the run directory, or an anchor of the page. ``name`` is an
    anchor for links that lead here."""

    text: str
    href: str
    name: str = ""

    def __str__(self) -> str:
        return self.text


class Counted(str):
    """An exact count, shortened as :mod:`petiole.units` does; ``value`` has all digits, to sort by and to be shown."""

    value: float

    @classmethod
    def of(cls, value: float, shorten: Callable[[float], str]) -> Self:
        """``value`` as ``shorten`` writes it.

        >>> Counted.of(1_319_938, lambda size: f"{size / 1e6:.1f} MB").value
        1319938
        """
        text = cls(shorten(value))
        text.value = value
        return text


Cell = str | Linked

NONE = "–"
"""A cell that has no value."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of finished text. The first column names the row; ``words`` lists further columns of words, the
    others hold numbers and are set flush right. Every number leads to where it comes from: where its cell leads, else
    its row's name, else its column's, else to ``source`` (an anchor of the page). The last ``totals`` rows stay below,
    however the others are sorted."""

    kind: ClassVar[str] = "table"
    caption: str
    header: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]
    words: frozenset[int] = frozenset()
    source: str = ""
    totals: int = 0

    def is_number(self, column: int) -> bool:
        """Whether a column (from 0) is set flush right."""
        return column > 0 and column not in self.words

    @property
    def first_counts(self) -> bool:
        """Whether the rows are named by shares, which a column is sorted by, not by words."""
        return bool(self.rows) and all(re.fullmatch(r"[\d.]+%", str(row[0])) for row in self.rows)

    def source_of(self, row: tuple[Cell, ...], column: int, source: str) -> str:
        """Where a number that has no link of its own leads (``source``: the chapter's anchor for such); "" for names,
        words, and what has one.

        >>> table = Table(caption="", header=("", Linked(text="A", href="#a"), "B"), rows=(("ms", "1.2", "–"),))
        >>> [table.source_of(table.rows[0], column, "b") for column in range(3)]
        ['', '#a', '']
        """
        cell = row[column]
        if not self.is_number(column) or isinstance(cell, Linked) or not any(letter.isdigit() for letter in cell):
            return ""
        names = (row[0], self.header[column])
        named = next((name.href for name in names if isinstance(name, Linked)), None)
        anchor = self.source or source
        return named or (f"#{anchor}" if anchor else "")


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A chart: SVG that takes its ink from ``color``, and words for those who cannot see it. ``narrow`` takes its place
    on a phone, where there is one. It may still be on the drawing board: whoever asks for the SVG waits for it."""

    kind: ClassVar[str] = "picture"
    name: str
    drawing: Future[str]
    caption: str
    alt: str
    narrow_drawing: Future[str] | None = None

    @property
    def svg(self) -> str:
        """The chart."""
        return self.drawing.result()

    @property
    def narrow(self) -> str:
        """The one for a phone; "" without it."""
        return self.narrow_drawing.result() if self.narrow_drawing else ""


@dataclass(frozen=True, kw_only=True)
class Photo:
    """One photo of a strip: a file of the run directory, what it shows, and what is told of it."""

    file: str
    alt: str
    lines: tuple[str, ...] = ()
    mark: str = ""


@dataclass(frozen=True, kw_only=True)
class Strip:
    """Small photos beside each other."""

    kind: ClassVar[str] = "strip"
    caption: str
    photos: tuple[Photo, ...]


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question of the handout with its answer."""

    kind: ClassVar[str] = "question"
    question: str
    answer: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Failed:
    """What failed, and why."""

    kind: ClassVar[str] = "failed"
    failures: tuple[tuple[str, str], ...]


Block = Text | Steps | Table | Picture | Strip | Question | Failed


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """One section of the report; ``anchor`` is its name in links, ``source`` an anchor where it is told what makes
    its numbers."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Page:
    """The whole report: what stands on the first page, then the chapters. Of a finding that has several lines, the
    further ones are set below the first. ``places``: names in the prose, and the anchors (or files) that they lead
    to."""

    title: str
    byline: str
    facts: tuple[tuple[str, str], ...]
    banners: tuple[str, ...]
    failures: tuple[tuple[str, str], ...]
    findings: tuple[str, ...]
    pictures: tuple[Picture, ...] = ()
    further: tuple[str, ...] = ()
    tables: tuple[Table, ...]
    tables_title: str = "All variants"
    chapters: tuple[Chapter, ...]
    places: tuple[tuple[str, str], ...] = ()
