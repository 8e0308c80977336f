"""Pieces of HTML; whatever comes from a file goes through `text`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")|((?<![\w.-])-?\d[\w.+-]*)')


def text(value: object) -> str:
    """A value as text, safe between tags and in quoted attributes."""
    return escape(str(value))


def tag(name: str, content: str, **attributes: str) -> str:
    """An element around HTML; an attribute `class_` is `class`."""
    written = "".join(f' {key.rstrip("_")}="{text(value)}"' for key, value in attributes.items() if value)
    return f"<{name}{written}>{content}</{name}>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells made by `cell` and `row_head`, which scrolls by itself where it is too wide for the page."""
    top = "".join(tag("th", text(name), scope="col") for name in head)
    body = "\n".join(tag("tr", "".join(row)) for row in rows)
    return tag("div", f"<table><thead><tr>{top}</tr></thead>\n<tbody>{body}</tbody></table>", class_="wide", tabindex="0")


def row_head(value: object) -> str:
    """The cell that names a row."""
    return tag("th", text(value), scope="row")


def cell(value: object, exact: object = "", class_: str = "") -> str:
    """A cell; the pointer on it shows `exact`."""
    return tag("td", text(value), title=str(exact), class_=class_)


def folded(title: str, content: str) -> str:
    """What opens when its title is pressed, and on paper."""
    return f"<details><summary>{text(title)}</summary>\n{content}</details>\n"


def toml(lines: str) -> str:
    """TOML in a few colours: headings, keys, texts and numbers."""
    return tag("pre", "\n".join(map(_toml_line, lines.splitlines())), class_="toml")


def _toml_line(line: str) -> str:
    if line.startswith("["):
        return tag("b", text(line))
    key, equals, value = line.partition(" = ")
    return tag("i", text(key)) + equals + _coloured(value)


def _coloured(value: str) -> str:
    pieces, end = [], 0
    for match in _TOKEN.finditer(value):
        pieces += [text(value[end : match.start()]), tag("span", text(match[0]), class_="text" if match[1] else "number")]
        end = match.end()
    return "".join([*pieces, text(value[end:])])
