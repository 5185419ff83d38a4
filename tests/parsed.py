"""A page of HTML, parsed by a second method than a browser's: what the tests look at."""

import re
from html.parser import HTMLParser

VOID = {"meta", "br", "hr", "img", "link", "input", "path", "line"}


class Page(HTMLParser):
    """Tags, attributes, text and tables of a page; ``unlinked`` are cells of columns of numbers that lead nowhere.
    It also checks that tags are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.rows: list[tuple[str, ...]] = []
        self.unlinked: list[str] = []
        self._open: list[str] = []
        self._linked = False
        self._cells: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "tr":
            self._cells = []
        if tag in {"th", "td"}:
            self._cells.append("")
            self._linked = dict(attrs).get("class") != "n"
        self._linked |= tag == "a"

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag
        if tag == "td" and not self._linked and re.search(r"\d", self._cells[-1]):
            self.unlinked.append(self._cells[-1])
        if tag == "tr":
            self.rows.append(tuple(self._cells))

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if {"th", "td"} & set(self._open):
            self._cells[-1] += data

    @property
    def shown(self) -> str:
        return " ".join("".join(self.text).split())
