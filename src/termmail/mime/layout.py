"""Logical lines of text to lines of a width: quotes, links, wrapping by cells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from termmail.mime.columns import column_lines
from termmail.mime.links import Links, find_links
from termmail.mime.logical import Logical, LogicalLine, LogicalPicture, LogicalTable, Run, Runs, quote_style
from termmail.mime.safe_text import safe_address, safe_text
from termmail.mime.width import cell_width, cut_cells
from termmail.model.body import Line, Span, Style

MAX_LINES = 50_000
_MIN_WIDTH = 10
_MAX_LINKS_IN_LINE = 500
_LONGEST_RULE = 40
# What a terminal's cell is about, in pixels: pictures are meant for screens on which text is about as large.
_CELL_WIDTH = 9
_WIDEST_PICTURE = 76
_HIGHEST_PICTURE = 24

_HANGING = re.compile(r"(?: {0,12}(?:[*•+–-]|\d{1,3}[.)]) {1,3}| {1,12})(?=\S)")
# Wide characters, but for the closing punctuation that may not begin a line: a line may be broken before each of them.
_WIDE_CLASS = (
    r"\u2e80-\u3000\u3003-\u3008\u300a\u300c\u300e\u3010\u3012-\u9fff\uac00-\ud7a3"
    r"\uff02-\uff08\uff0a\uff0b\uff0d\uff0f-\uff19\uff20-\uff3c"
)
_WIDE = re.compile(rf"[{_WIDE_CLASS}]")


def with_links(text: str, style: Style, links: Links) -> tuple[Run, ...]:
    """One line of text as runs, its URLs and addresses as links."""
    found = find_links(text)[:_MAX_LINKS_IN_LINE]
    if not found:
        return (Run(text, style),) if text else ()
    runs: list[Run] = []
    position = 0
    for start, end, url in found:
        place = links.add(url)
        if place < 0:
            continue
        if start > position:
            runs.append(Run(text[position:start], style))
        runs.append(Run(safe_address(text[start:end]), Style.LINK, place))
        position = end
    if position < len(text):
        runs.append(Run(text[position:], style))
    return tuple(runs)


def lay_out(logical_lines: Iterable[Logical], width: int) -> tuple[list[Line], bool]:
    """Lines of at most `width` cells, and whether some were left out because there are too many. Every text passes `safe_text`."""
    width = max(width, _MIN_WIDTH)
    lines: list[Line] = []
    for logical in logical_lines:
        match logical:
            case LogicalLine():
                lines.extend(_wrapped(logical, width))
            case LogicalTable():
                lines.extend(_table(logical, width))
            case LogicalPicture():
                lines.extend(_picture(logical, width))
        if len(lines) >= MAX_LINES:
            return lines[:MAX_LINES], True
    return lines, False


def _prefix(depth: int, width: int) -> tuple[list[Run], int]:
    """The marks of a quotation, and the cells they leave."""
    if not depth:
        return [], width
    quoting = "> " * min(depth, max(1, (width // 2) // 2))
    return [Run(quoting, quote_style(depth))], width - len(quoting)


def _wrapped(logical: LogicalLine, width: int) -> Iterator[Line]:
    prefix, room = _prefix(logical.depth, width)
    quote = max(logical.depth, int(logical.is_old))
    if logical.is_rule:
        yield _line([*prefix, Run("─" * min(room, _LONGEST_RULE), Style.NOTE)], quote)
        return
    if not logical.runs:
        yield _line([Run(prefix[0].text.rstrip(), prefix[0].style)] if prefix else [], quote)
        return
    text = "".join(run.text for run in logical.runs)
    if cell_width(text) <= room:
        yield _line([*prefix, *logical.runs], quote)
        return
    pieces, indent = _pieces(logical.runs, text, room, hard=logical.hard, hanging=logical.hanging)
    later_prefix = [*prefix, Run(" " * indent)] if indent else prefix
    previous, _ = next(pieces)
    lead = prefix
    for piece, cut in pieces:
        yield _line([*lead, *previous], quote, wrapped=True, cut=cut)
        previous, lead = piece, later_prefix
    yield _line([*lead, *previous], quote)


def _pieces(
    runs: Runs, text: str, width: int, *, hard: bool, hanging: int = -1
) -> tuple[Iterator[tuple[list[Run], bool]], int]:
    """The pieces of a line, whose text is `text`, as `_sliced`, and by how much all but the first one are to be indented."""
    lead = None if hard else _HANGING.match(text)
    indent = hanging if hanging >= 0 else lead.end() if lead is not None else 0
    indent = indent if indent <= width // 3 else 0
    find = _ascii_places if text.isascii() else _places
    return _sliced(runs, find(text, width, indent, hard=hard)), indent


def _table(table: LogicalTable, width: int) -> Iterator[Line]:
    room = _prefix(table.depth, width)[1]
    for runs in column_lines(table, room, _wrap_cell):
        yield from _wrapped(LogicalLine(table.depth, runs, is_old=table.is_old), width)


def _wrap_cell(runs: Runs, width: int) -> list[Runs]:
    text = "".join(run.text for run in runs)
    if cell_width(text) <= width:
        return [runs]
    pieces, indent = _pieces(runs, text, width, hard=False)
    return [
        (Run(" " * indent), *piece) if indent and number else tuple(piece) for number, (piece, _) in enumerate(pieces)
    ]


def _picture(picture: LogicalPicture, width: int) -> Iterator[Line]:
    """Empty lines for a picture, told apart by their number; the first one says what it shows."""
    prefix, room = _prefix(picture.depth, width)
    rows = picture_cells(picture.width, picture.height, room)[1]
    words = f"[{picture.alternative or 'picture'}]"
    words = words if cell_width(words) <= room else words[: cut_cells(words, room - 1)] + "…"
    for row in range(rows):
        runs = [*prefix, Run(words, Style.NOTE)] if row == 0 else prefix
        yield _line(runs, max(picture.depth, int(picture.is_old)), picture=picture.place, picture_row=row)


def picture_cells(width: int, height: int, room: int) -> tuple[int, int]:
    """How many columns and rows a picture of so many pixels takes where there is room for so many columns."""
    columns = max(1, min(room, _WIDEST_PICTURE, round(width / _CELL_WIDTH)))
    rows = max(1, round(columns * height / max(width, 1) / 2))
    if rows > _HIGHEST_PICTURE:
        columns, rows = max(1, columns * _HIGHEST_PICTURE // rows), _HIGHEST_PICTURE
    return columns, rows


def _line(
    runs: Iterable[Run],
    quote: int,
    *,
    wrapped: bool = False,
    cut: bool = False,
    picture: int = -1,
    picture_row: int = 0,
) -> Line:
    spans: list[Span] = []
    held = ""
    style, link = Style.PLAIN, -1
    for run in runs:
        if run.style is style and run.link == link:
            held += run.text
            continue
        if held:
            spans.append(Span(safe_text(held), style, link))
        held, style, link = run
    if held:
        spans.append(Span(safe_text(held), style, link))
    return Line(tuple(spans), wrapped, quote, picture, picture_row, cut)


def _ascii_places(text: str, width: int, indent: int, *, hard: bool) -> Iterator[tuple[int, int]]:
    """Where the pieces of an ASCII line begin and end: broken at spaces, or where a word is too long (or it is `hard`) cut."""
    position = 0
    room = width
    while len(text) - position > room:
        space = -1 if hard else text.rfind(" ", position, position + room + 1)
        end = position + room
        after = end
        if space > position and text[position : space + 1].strip(" "):
            end = after = space
            while text[end - 1] == " ":
                end -= 1
        yield position, end
        if not hard:
            while after < len(text) and text[after] == " ":
                after += 1
        position = after
        room = width - indent
    if position < len(text):
        yield position, len(text)


def _places(text: str, width: int, indent: int, *, hard: bool) -> Iterator[tuple[int, int]]:
    """As `_ascii_places` by cells, and with breaks before wide characters as well."""
    position = used = 0
    room = width
    end = after = -1
    for index, character in enumerate(text):
        if character == " " and not hard:
            if index and text[index - 1] != " ":
                end = index
            after = index + 1
            used += 1
            continue
        cells = cell_width(character)
        if not hard and cells == 2 and index > position and text[index - 1] != " " and _WIDE.match(character):
            end = after = index
        if used + cells > room:
            if end <= position:
                end = after = index
            yield position, end
            position, room = after, width - indent
            used = cell_width(text[position:index])
            while used + cells > room and used:
                # The word that was carried over had more room on the line before.
                cut = position + cut_cells(text[position:index], room)
                yield position, cut
                position = cut
                used = cell_width(text[position:index])
            end = after = -1
        used += cells
    if position < len(text):
        # Blanks at the end need no room.
        yield position, len(text) if used <= room else max(position + 1, len(text.rstrip(" ")))


def _sliced(runs: Runs, places: Iterable[tuple[int, int]]) -> Iterator[tuple[list[Run], bool]]:
    """The runs between each two places of their joined text, and whether they begin right where the ones before ended."""
    index = run_start = before = 0
    for start, end in places:
        piece: list[Run] = []
        while index < len(runs) and run_start < end:
            run = runs[index]
            run_end = run_start + len(run.text)
            taken = run.text[max(0, start - run_start) : end - run_start]
            if taken:
                piece.append(run._replace(text=taken))
            if run_end > end:
                break
            run_start = run_end
            index += 1
        yield piece, start == before
        before = end
