"""text/html to logical lines: cleaned, through html2text, and its marks read as styles, tables and pictures (P6, D7, D8)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import html2text

from termmail.mime import html_marks as marks
from termmail.mime.clean_html import Cleaned, Picture, clean
from termmail.mime.html_budget import MAX_INPUT
from termmail.mime.layout import with_links
from termmail.mime.links import Links
from termmail.mime.logical import Cell, Logical, LogicalLine, LogicalPicture, LogicalTable, Run, Runs, quote_style
from termmail.mime.plain import plain_lines, quote_depth
from termmail.mime.strip import strip_tags
from termmail.model.body import Style

MAX_OUTPUT = 2 * 1024 * 1024
_HIDDEN_TOLD = 3
_EXCERPT = 100
_SMALLEST_SHOWN = 40
_UNNAMED = "[picture]"

_MARK = re.compile(
    r"\ufdd0(?P<link>\d+)\ufdd1|\ufde4(?P<span>\d+)(?P<header>h?)(?P<right>r?)\ufde5|\ufdeb(?P<picture>\d+)\ufdec"
    r"|\ufde2(?P<table>[dl])|[\ufdd2-\ufddd\ufde3\ufde6-\ufdea\ufded]"
)
_NUMBER = re.compile(r" \[(\d+)")
_OPENING = {
    marks.STRONG_OPEN: Style.STRONG,
    marks.EMPHASIS_OPEN: Style.EMPHASIS,
    marks.HEADING_OPEN: Style.HEADING,
    marks.CODE_OPEN: Style.CODE,
    marks.NOTE_OPEN: Style.NOTE,
    marks.TARGET_OPEN: Style.TARGET,
    marks.DELETED_OPEN: Style.DELETED,
}
_CLOSING = {
    marks.LINK_CLOSE: Style.LINK,
    marks.STRONG_CLOSE: Style.STRONG,
    marks.EMPHASIS_CLOSE: Style.EMPHASIS,
    marks.HEADING_CLOSE: Style.HEADING,
    marks.CODE_CLOSE: Style.CODE,
    marks.NOTE_CLOSE: Style.NOTE,
    marks.TARGET_CLOSE: Style.TARGET,
    marks.DELETED_CLOSE: Style.DELETED,
}
_RANK = {
    Style.TARGET: 8,
    Style.LINK: 7,
    Style.NOTE: 6,
    Style.DELETED: 5,
    Style.CODE: 4,
    Style.HEADING: 3,
    Style.STRONG: 2,
    Style.EMPHASIS: 1,
}


class Found(NamedTuple):
    """A picture that can be shown: its place in `Rendered.pictures`, and its size in pixels."""

    place: int
    width: int
    height: int


Finder = Callable[[Picture], Found | None]
"""Tells whether a picture of the mail can be shown."""


class HtmlText(NamedTuple):
    """The logical lines of an HTML part, notes on what of it is not shown, and the URLs of pictures that were not loaded."""

    lines: list[Logical]
    notes: list[str]
    remote: tuple[str, ...] = ()


def html_lines(markup: str, links: Links, *, stripped: bool = False, find: Finder | None = None) -> HtmlText:
    """The logical lines of an HTML part that is decoded but not yet safe. Nothing is ever loaded (T18).

    With `stripped`, and where the HTML is above its budget, its text alone is taken, in linear time (P6). Pictures that `find` finds
    get lines of their own.
    """
    refused, misleading = links.refused, len(links.misleading)
    cleaned = None if stripped else clean(markup, links)
    if cleaned is None:
        text = strip_tags(markup[: 4 * MAX_INPUT])[:MAX_OUTPUT]
        return HtmlText(
            _compact(plain_lines(text, links)), ["The HTML is too large or too nested: only its text is shown."]
        )
    converter = html2text.HTML2Text(bodywidth=0)
    converter.unicode_snob = True
    converter.ul_item_mark = "•"
    converter.ignore_links = converter.ignore_images = converter.ignore_emphasis = converter.ignore_tables = True
    output = converter.handle(cleaned.html)
    found = {place: shown for place, picture in enumerate(cleaned.pictures) if find and (shown := find(picture))}
    missing = [
        picture.source
        for place, picture in enumerate(cleaned.pictures)
        if place not in found and not picture.source.lower().startswith("cid:")
    ]
    notes = _notes(cleaned, cleaned.remote_images - sum(not _is_inside(cleaned.pictures[place]) for place in found))
    if len(output) > MAX_OUTPUT:
        output = output[:MAX_OUTPUT]
        notes.append("The text is very long: only its beginning is shown.")
    lines = _compact(_without_repeated(list(_Lines(links, cleaned.pictures, found).read(output))))
    notes += _link_notes(links, refused, misleading)
    return HtmlText(lines, notes, tuple(missing))


def _is_inside(picture: Picture) -> bool:
    return picture.source.lower().startswith("cid:")


def _notes(cleaned: Cleaned, remote_images: int) -> list[str]:
    notes: list[str] = []
    if cleaned.preheader:
        notes.append(f"Preview text: {_excerpt(cleaned.preheader)}")
    notes += [f"A hidden part is not shown: {_excerpt(text)}" for text in cleaned.hidden[:_HIDDEN_TOLD]]
    if len(cleaned.hidden) > _HIDDEN_TOLD:
        notes.append(
            f"{_counted(len(cleaned.hidden) - _HIDDEN_TOLD, 'more hidden part is', 'more hidden parts are')} not shown."
        )
    if cleaned.invisible:
        count = _counted(cleaned.invisible, "piece of text has", "pieces of text have")
        notes.append(count + " the colour of the background.")
    if cleaned.has_form:
        notes.append("A form is not shown. Think twice before you type anything into one that came by mail.")
    if remote_images > 0:
        notes.append(_counted(remote_images, "remote image was", "remote images were") + " not loaded.")
    return notes


def _excerpt(text: str) -> str:
    return f"“{text[:_EXCERPT].rstrip()}{'…' if len(text) > _EXCERPT else ''}”"


def _counted(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"


def _link_notes(links: Links, refused: int, misleading: int) -> list[str]:
    notes: list[str] = []
    count = links.refused - refused
    if count:
        notes.append(_counted(count, "unsafe link was", "unsafe links were") + " not made a link.")
    for claimed, host in links.misleading[misleading : misleading + 3]:
        notes.append(f"A link that says {claimed} leads to {host}.")
    return notes


class _Table:
    """A table whose cells are being read."""

    def __init__(self, depth: int, *, is_data: bool) -> None:
        self.depth = depth
        self.is_data = is_data
        self.rows: list[list[Cell]] = []
        self.lines: list[Runs] = []
        self.told: tuple[int, bool, bool] | None = None

    def row(self) -> None:
        self.end_cell()
        self.rows.append([])

    def cell(self, told: tuple[int, bool, bool]) -> None:
        self.end_cell()
        self.told = told

    def end_cell(self) -> None:
        if self.told is not None and self.rows:
            self.rows[-1].append(Cell(tuple(self.lines), *self.told))
        self.lines, self.told = [], None

    def finished(self) -> LogicalTable:
        self.end_cell()
        return LogicalTable(self.depth, tuple(tuple(row) for row in self.rows if row), self.is_data)


class _Lines:
    """Reads html2text's output. Marks may open on one line and close on a later one."""

    def __init__(self, links: Links, pictures: tuple[Picture, ...], found: dict[int, Found]) -> None:
        self.links = links
        self.pictures = pictures
        self.found = found
        self.open: list[tuple[Style, int]] = []
        self.runs: list[Run] = []
        self.depth = 0
        self.in_code = False
        self.table: _Table | None = None

    def read(self, output: str) -> Iterator[Logical]:
        # Every backslash of the mail was marked, so those left are html2text's own escapes.
        for line in output.replace("\\", "").split("\n"):
            self.depth, rest = quote_depth(line)
            if self.table is not None:
                rest = rest.lstrip(" ")
            self.in_code = any(style is Style.CODE for style, _ in self.open)
            is_hard = self.in_code and rest.startswith("    ")
            broken = False
            position = 0
            for match in _MARK.finditer(rest):
                self.text(rest[position : match.start()])
                position = match.end()
                for logical in self.mark(match):
                    broken = True
                    yield logical
            self.text(rest[position:])
            if self.table is not None:
                self.end_line()
            elif self.runs or not broken:
                yield LogicalLine(self.depth, self.taken(), hard=is_hard)
        if self.table is not None:
            yield self.table.finished()

    def mark(self, match: re.Match[str]) -> Iterator[Logical]:
        """What a mark begins or ends; it may put lines of its own between the text before it and after it."""
        mark = match[0]
        if match["link"] is not None:
            self.open.append((Style.LINK, int(match["link"])))
        elif mark in _OPENING:
            self.open.append((_OPENING[mark], -1))
        elif mark in _CLOSING:
            self.close(_CLOSING[mark])
        elif mark == marks.CELL:
            if self.runs and not self.runs[-1].text.endswith("  "):
                self.runs.append(Run("  "))
        elif mark == marks.RULE:
            yield from self.before()
            yield LogicalLine(self.depth, is_rule=True)
        elif match["picture"] is not None:
            yield from self.picture(int(match["picture"]))
        elif match["table"] is not None:
            yield from self.before()
            self.table = _Table(self.depth, is_data=match["table"] == "d")
        elif self.table is not None:
            yield from self.table_mark(match, self.table)

    def table_mark(self, match: re.Match[str], table: _Table) -> Iterator[Logical]:
        if table.told is None:
            # Text outside of the cells: a caption.
            yield from self.before()
        else:
            self.end_line()
        if match["span"] is not None:
            table.cell((int(match["span"]), bool(match["header"]), bool(match["right"])))
        elif match[0] == marks.ROW_OPEN:
            table.row()
        elif match[0] == marks.TABLE_CLOSE:
            self.table = None
            yield table.finished()

    def end_line(self) -> None:
        """The line of a cell ends."""
        assert self.table is not None
        if self.table.told is not None and (runs := self.taken()):
            self.table.lines.append(runs)

    def before(self) -> Iterator[LogicalLine]:
        runs = self.taken()
        if self.table is not None and runs:
            runs = (runs[0]._replace(text=runs[0].text.lstrip(" ")), *runs[1:])
        if runs:
            yield LogicalLine(self.depth, runs)

    def picture(self, place: int) -> Iterator[Logical]:
        shown = self.found.get(place)
        picture = self.pictures[place]
        if shown is None or self.table is not None or min(shown.width, shown.height) < _SMALLEST_SHOWN:
            link = next((link for style, link in reversed(self.open) if style is Style.LINK), -1)
            words = f"[{picture.alternative}]" if picture.alternative else _UNNAMED if link >= 0 else ""
            if words:
                self.runs.append(Run(words, Style.LINK if link >= 0 else Style.NOTE, link))
            return
        yield from self.before()
        yield LogicalPicture(self.depth, shown.place, shown.width, shown.height, picture.alternative)

    def close(self, style: Style) -> None:
        for index in range(len(self.open) - 1, -1, -1):
            if self.open[index][0] is style:
                del self.open[index]
                return

    def text(self, text: str) -> None:
        text = text.translate(marks.FROM_MARKS)
        runs = self.runs
        if not self.in_code and runs and runs[-1].text.endswith(" "):
            text = text.lstrip(" ")
        if not text:
            return
        if not self.open:
            runs.append(Run(text, quote_style(self.depth)))
            return
        style, link = max(self.open, key=lambda entry: _RANK[entry[0]])
        if style is Style.TARGET and (number := _NUMBER.match(text)):
            link = int(number[1]) - 1
        runs.append(Run(text, style, link))

    def taken(self) -> Runs:
        """The runs of the line so far, without blanks at its end, and with the links that its text holds."""
        runs, self.runs = self.runs, []
        while runs and not runs[-1].text.rstrip(" \xa0"):
            runs.pop()
        if runs:
            runs[-1] = runs[-1]._replace(text=runs[-1].text.rstrip(" \xa0"))
        return tuple(self.linked(runs))

    def linked(self, runs: Iterable[Run]) -> Iterator[Run]:
        for run in runs:
            if run.style in (Style.PLAIN, Style.STRONG, Style.EMPHASIS, quote_style(self.depth)):
                yield from with_links(run.text, run.style, self.links)
            else:
                yield run


def _without_repeated(lines: list[Logical]) -> Iterator[Logical]:
    """Without lines of only a picture that isn't shown, where the text has the same link in words."""
    in_words = {
        run.link
        for line in lines
        if isinstance(line, LogicalLine)
        for run in line.runs
        if run.style is Style.LINK and run.text != _UNNAMED
    }
    for line in lines:
        if isinstance(line, LogicalLine) and len(line.runs) == 2 and line.runs[0].text == _UNNAMED:
            link, target = line.runs
            if target.style is Style.TARGET and target.link == link.link and link.link in in_words:
                continue
        yield line


def _compact(lines: Iterable[Logical]) -> list[Logical]:
    """Without blank lines at either end, and never two in a row; those inside a quotation are quoted too."""
    kept: list[Logical] = []
    for line in lines:
        if not _is_blank(line):
            if len(kept) > 1 and _is_blank(kept[-1]) and kept[-1].depth != (depth := min(kept[-2].depth, line.depth)):
                kept[-1] = LogicalLine(depth)
            kept.append(line)
        elif kept and not _is_blank(kept[-1]):
            kept.append(line)
    while kept and _is_blank(kept[-1]):
        kept.pop()
    return kept


def _is_blank(line: Logical) -> bool:
    return isinstance(line, LogicalLine) and not line.runs and not line.is_rule
