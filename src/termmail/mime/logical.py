"""A message's text before its layout: lines of any length, tables, pictures."""

from __future__ import annotations

from typing import NamedTuple

from termmail.model.body import Style

_QUOTE_STYLES = (Style.PLAIN, Style.QUOTE1, Style.QUOTE2, Style.QUOTE3)


class Run(NamedTuple):
    """A piece of a logical line; `link` is a place in Links.urls, or -1."""

    text: str
    style: Style = Style.PLAIN
    link: int = -1


Runs = tuple[Run, ...]


class LogicalLine(NamedTuple):
    """A line before wrapping: quote depth, its runs, whether it is cut rather than wrapped between words, whether it is a rule across.

    `hanging` is how many cells what is wrapped is indented; -1 leaves that to how the text begins. `is_old` says that it is quoted
    without marks, as Outlook does it.
    """

    depth: int = 0
    runs: Runs = ()
    hard: bool = False
    hanging: int = -1
    is_rule: bool = False
    is_old: bool = False


class Cell(NamedTuple):
    """A cell of a table: its lines, how many columns it spans, whether it heads a column or row, whether it is aligned at the right."""

    lines: tuple[Runs, ...] = ()
    span: int = 1
    is_header: bool = False
    is_right: bool = False


class LogicalTable(NamedTuple):
    """A table. What is not `is_data` only stands side by side, and flows where there is no room for that."""

    depth: int
    rows: tuple[tuple[Cell, ...], ...]
    is_data: bool
    is_old: bool = False


class LogicalPicture(NamedTuple):
    """A picture with a place of its own: where it is in `Rendered.pictures`, its size in pixels, and what it shows in words."""

    depth: int
    place: int
    width: int
    height: int
    alternative: str
    is_old: bool = False


Logical = LogicalLine | LogicalTable | LogicalPicture


def quote_style(depth: int) -> Style:
    return _QUOTE_STYLES[min(depth, 3)]
