"""The text area of the message pane: laid out lines, with folded quotations and the hits of a search."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.segment import Segment
from rich.style import Style

from termmail.mime.width import cell_width
from termmail.model.body import Line, Rendered, Span
from termmail.model.body import Style as TextStyle
from termmail.ui.drawing import Pen
from termmail.ui.look import Look
from termmail.ui.text import steady
from termmail.ui.words import number

_MOST_HITS = 10_000
_QUOTING = re.compile(r"(?:> )*>? ?")
_BAR = "▎ "


class Row(NamedTuple):
    """A row of the text: a line, or a folded quotation, which begins with that line."""

    line: int
    fold: int = -1


class Hit(NamedTuple):
    """A place that was searched for: pieces of lines, as (line, first character, end)."""

    pieces: tuple[tuple[int, int, int], ...]


class PictureView(NamedTuple):
    """`rows` rows of a picture from `first` on, those that are in view; `place` is that in Rendered.pictures."""

    place: int
    first: int
    rows: int


class MessageText:
    """What is shown of `rendered`, row by row. Quotations are folded at first."""

    def __init__(self, rendered: Rendered) -> None:
        self.rendered = rendered
        self.open_folds: set[int] = set()
        self.rows: list[Row] = []
        self.hits: list[Hit] = []
        self.hit = -1
        self.pictures: dict[int, Sequence[Sequence[Segment]]] = {}
        self.pixels: dict[int, tuple[PictureView, str]] = {}
        self.missing_picture = -1
        self._hit_pieces: dict[int, list[tuple[int, int, int]]] = {}
        self._arrange()

    def _arrange(self) -> None:
        rows: list[Row] = []
        line = 0
        for place, fold in enumerate(self.rendered.folds):
            if place in self.open_folds:
                continue
            rows.extend(map(Row, range(line, fold.first)))
            rows.append(Row(fold.first, place))
            line = fold.first + fold.count
        rows.extend(map(Row, range(line, len(self.rendered.lines))))
        self.rows = rows

    def row_of(self, line: int) -> int:
        """The row that shows a line, or the fold that it is in."""
        return min(bisect_left(self.rows, (line + 1, -1)), len(self.rows)) - 1

    # folding

    def fold_at(self, row: int) -> int:
        """The fold that a row stands for, or -1."""
        return self.rows[row].fold if 0 <= row < len(self.rows) else -1

    def unfold(self, fold: int) -> None:
        self.open_folds.add(fold)
        self._arrange()

    def toggle_folds(self) -> bool:
        """Open all quotations where one is folded, otherwise fold all; whether they are folded now."""
        everything = set(range(len(self.rendered.folds)))
        folded = self.open_folds >= everything
        self.open_folds = set() if folded else everything
        self._arrange()
        return folded

    # searching

    def find(self, words: str) -> int:
        """Search without regard to case, also across the ends of wrapped lines; how many hits there are."""
        self.hits = list(_find(self.rendered.lines, words))
        self.hit = 0 if self.hits else -1
        self._hit_pieces = {}
        for place, hit in enumerate(self.hits):
            for line, first, end in hit.pieces:
                self._hit_pieces.setdefault(line, []).append((first, end, place))
        return len(self.hits)

    def step(self, count: int) -> int:
        """Go to another hit, round and round; the row it is on, whose fold is opened. -1 where there is none."""
        if not self.hits:
            return -1
        self.hit = (self.hit + count) % len(self.hits)
        line = self.hits[self.hit].pieces[0][0]
        fold = self.fold_at(self.row_of(line))
        if fold >= 0:
            self.unfold(fold)
        return self.row_of(line)

    def nearest_hit(self, row: int) -> None:
        """Make the first hit from a row on the current one."""
        line = self.rows[row].line if 0 <= row < len(self.rows) else 0
        self.hit = next(
            (place for place, hit in enumerate(self.hits) if hit.pieces[0][0] >= line), 0 if self.hits else -1
        )

    # drawing

    def draw(self, pen: Pen, row: int, look: Look) -> None:
        """Write a row."""
        line, fold = self.rows[row]
        if fold >= 0:
            count = self.rendered.folds[fold].count
            pen.put(f"▸ {number(count)} quoted lines", look.quotes[0])
            return
        shown = self.rendered.lines[line]
        if shown.picture >= 0:
            cells = self.pictures.get(shown.picture)
            if cells is None:
                self.missing_picture = shown.picture
            elif shown.picture_row < len(cells):
                for segment in cells[shown.picture_row]:
                    pen.put(segment.text, segment.style or Style.null())
                return
        spans: Sequence[Span] = shown.spans
        position = 0
        if shown.quote and spans:
            spans, position = self._bars(pen, spans, shown.quote, look)
        pieces = self._hit_pieces.get(line)
        for span in spans:
            style = style_of(look, span.style)
            if pieces is None:
                pen.put(steady(span.text), style)
                continue
            end = position + len(span.text)
            for first, last, place in _cut(pieces, position, end):
                mark = Style.null() if place < 0 else look.hit_now if place == self.hit else look.hit
                pen.put(steady(shown.text[first:last]), style + mark)
            position = end

    def view_ending(self, row: int, above: int, *, is_last: bool) -> PictureView | None:
        """What is in view of the picture that ends at a row: its last one, or the last one in view. `above` is how many rows are in
        view down to this one."""
        line, fold = self.rows[row]
        shown = self.rendered.lines[line]
        cells = self.pictures.get(shown.picture)
        if fold >= 0 or not cells or not (is_last or shown.picture_row == len(cells) - 1):
            return None
        rows = min(shown.picture_row + 1, above)
        # The beginning of a picture may be in a quotation that is folded.
        if self.rows[row - rows + 1].line != line - rows + 1:
            return None
        return PictureView(shown.picture, shown.picture_row + 1 - rows, rows)

    def picture_width(self, place: int) -> int:
        """The cells that each line of a picture takes that is drawn."""
        return sum(segment.cell_length for segment in self.pictures[place][0])

    @staticmethod
    def _bars(pen: Pen, spans: Sequence[Span], quote: int, look: Look) -> tuple[Sequence[Span], int]:
        """Write the marks of a quotation as bars; what is left of the line, and how many characters they were."""
        first = spans[0]
        quoting = _QUOTING.match(first.text)
        depth = quoting[0].count(">") if quoting is not None else 0
        if quoting is None or not depth or depth > quote:
            return spans, 0
        for level in range(depth):
            pen.put(_BAR, look.quotes[min(level, 2)])
        end = quoting.end()
        return [Span(first.text[end:], first.style, first.link), *spans[1:]], end

    def link_at(self, row: int, x: int) -> int | None:
        """The link under a cell of a row."""
        if not 0 <= row < len(self.rows) or self.rows[row].fold >= 0:
            return None
        left = 0
        for span in self.rendered.lines[self.rows[row].line].spans:
            left += cell_width(steady(span.text))
            if x < left:
                return span.link if span.link >= 0 else None
        return None


def _cut(pieces: list[tuple[int, int, int]], start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """What of `pieces`, as (first, end, hit), lies between two characters, and the text between them, as hit -1."""
    position = start
    for first, last, place in pieces:
        first, last = max(first, start), min(last, end)
        if first >= last:
            continue
        if first > position:
            yield position, first, -1
        yield first, last, place
        position = last
    if position < end:
        yield position, end, -1


def _find(lines: Sequence[Line], words: str) -> Iterator[Hit]:
    wanted = " ".join(words.casefold().split())
    if not wanted:
        return
    count = 0
    place = 0
    while place < len(lines) and count < _MOST_HITS:
        end = place + 1
        while end < len(lines) and lines[end - 1].wrapped:
            end += 1
        folded, places = _folded(lines, place, end)
        found = folded.find(wanted)
        while found >= 0 and count < _MOST_HITS:
            yield Hit(tuple(_as_pieces(places[found : found + len(wanted)])))
            count += 1
            found = folded.find(wanted, found + len(wanted))
        place = end


def _folded(lines: Sequence[Line], first: int, end: int) -> tuple[str, list[tuple[int, int]]]:
    """The text of a line and those it goes on in without case, runs of blanks as one, and where each of its characters stands."""
    folded: list[str] = []
    places: list[tuple[int, int]] = []
    for line in range(first, end):
        text = lines[line].text
        start = 0
        if line > first:
            start = lead_of(lines[line])
            if folded and folded[-1] != " " and not lines[line - 1].cut:
                folded.append(" ")
                places.append((line, start))
        for position in range(start, len(text)):
            character = text[position]
            if character in " \xa0":
                if folded and folded[-1] == " ":
                    continue
                character = " "
            for each in character.casefold():
                folded.append(each)
                places.append((line, position))
    return "".join(folded), places


def lead_of(line: Line) -> int:
    """How many characters of a line that another one goes on in are marks of quotation and indentation."""
    text = line.text
    quoting = _QUOTING.match(text)
    start = quoting.end() if quoting is not None and line.quote else 0
    return len(text) - len(text[start:].lstrip(" "))


def _as_pieces(places: list[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
    line, first = places[0]
    last = first
    for each, position in places[1:]:
        if each != line:
            yield line, first, last + 1
            line, first = each, position
        last = position
    yield line, first, last + 1


def style_of(look: Look, style: TextStyle) -> Style:
    """How the theme shows a span of text."""
    match style:
        case TextStyle.PLAIN:
            return look.text
        case TextStyle.QUOTE1:
            return look.quotes[0]
        case TextStyle.QUOTE2:
            return look.quotes[1]
        case TextStyle.QUOTE3:
            return look.quotes[2]
        case TextStyle.SIGNATURE:
            return look.signature
        case TextStyle.LINK:
            return look.link
        case TextStyle.HEADING:
            return look.title
        case TextStyle.STRONG:
            return look.strong
        case TextStyle.EMPHASIS:
            return look.emphasis
        case TextStyle.CODE:
            return look.code
        case TextStyle.DIFF_ADD:
            return look.good
        case TextStyle.DIFF_REMOVE:
            return look.error
        case TextStyle.NOTE:
            return look.muted
        case TextStyle.FAINT | TextStyle.TARGET:
            return look.faint
        case TextStyle.GOOD:
            return look.good
        case TextStyle.WARNING:
            return look.warning
        case TextStyle.DELETED:
            return look.deleted
