"""The way a message took, drawn as a path from its writer to this computer."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import NamedTuple

from termmail.mime.width import cell_width, cut_cells
from termmail.model.body import Line, Span, Style
from termmail.model.journey import Hop, Journey
from termmail.model.message import Address
from termmail.ui.text import clip, clip_address, name_and_address, shown_address, steady
from termmail.ui.words import span_of_time

_TIMES = 14
"""Cells for the time at the left of the path."""
_BAR = 18
_LONG = 60
_VERY_LONG = 600
_WRITER, _UNSURE, _SURE, _HERE = "✎", "○", "●", "⌂"
_DOTTED, _SOLID = "┊", "│"


class ShownJourney(NamedTuple):
    """A journey with its two ends: who wrote, and how the mail came from the provider to here."""

    way: Journey
    writer: Address | None
    fetched_from: str
    fetched_by: str
    fetched_securely: bool


def journey_lines(shown: ShownJourney, width: int) -> tuple[Line, ...]:
    """The path, at most `width` cells wide: dotted and hollow where nobody answers for what a server wrote."""
    return tuple(_Path(shown, width).lines())


class _Path:
    def __init__(self, shown: ShownJourney, width: int) -> None:
        self.shown = shown
        self.way = shown.way
        self.width = max(width, 24)
        # On a narrow pane the path stands at the margin, and times stand below their servers.
        self.times = _TIMES if self.width >= 60 else 0
        self.longest = max((hop.delay or 0 for hop in self.way.hops), default=0)
        self.day = ""

    def lines(self) -> Iterator[Line]:
        way = self.way
        yield from self.summary()
        yield Line()
        yield from self.writer()
        for place, hop in enumerate(way.hops):
            before = way.hops[place - 1] if place else None
            if hop.sure and before is not None and not before.sure:
                yield self.border()
            rail = _SOLID if hop.sure else _DOTTED
            yield from self.step(hop, before, rail)
            yield from self.server(hop, rail)
        yield from self.end()
        others = [note for note in way.notes if way.hops or self.shown.writer is None]
        for note in others:
            yield Line()
            yield from self.wrapped("", note, Style.NOTE)

    # the parts of the picture

    def summary(self) -> Iterator[Line]:
        hops = self.way.hops
        if not hops:
            yield from self.wrapped("", "The message does not tell which way it took.", Style.STRONG)
            return
        count = len(hops) + (self.first_sender() != "")
        servers = "1 server" if count == 1 else f"{count} servers"
        took = (
            f"{span_of_time(self.way.seconds)} from writer to mailbox"
            if self.way.seconds is not None
            else "From writer to mailbox"
        )
        unsafe = sum(hop.tls is False and not _is_within(hop) for hop in hops)
        encrypted = "every known step encrypted" if all(hop.tls or _is_within(hop) for hop in hops) else ""
        if unsafe:
            encrypted = "1 step not encrypted" if unsafe == 1 else f"{unsafe} steps not encrypted"
        words = ", ".join(part for part in (took, f"by way of {servers}", encrypted) if part)
        yield from self.wrapped("", words, Style.STRONG)

    def writer(self) -> Iterator[Line]:
        """Who wrote, and the server that the first one known took it from."""
        writer = self.shown.writer
        name = name_and_address(writer) if writer is not None else "somebody"
        if writer is not None and cell_width(name) > self.room:
            # Of the two the address is what counts, and of that the domain (D4).
            name = clip_address(shown_address(writer.address), self.room) or name
        rail = _SOLID if self.way.hops and self.way.hops[0].sure and not self.first_sender() else _DOTTED
        yield from self.new_day(self.way.written_at, " ")
        yield self.row(self.time_of(self.way.written_at), _WRITER, name, Style.STRONG, Style.NOTE)
        if self.way.origin_ip:
            yield self.row("", rail, f"at a computer with the address {self.way.origin_ip}", Style.NOTE, Style.FAINT)
        yield self.row("", rail, "", Style.NOTE, Style.FAINT)
        if sender := self.first_sender():
            hop = self.way.hops[0]
            yield self.row("", _UNSURE, sender, Style.PLAIN, Style.NOTE)
            yield self.row("", _SOLID if hop.sure else _DOTTED, "", Style.NOTE, Style.NOTE if hop.sure else Style.FAINT)

    def first_sender(self) -> str:
        """The server that the first one known took the message from, where it was one and not the writer's computer."""
        if not self.way.hops:
            return ""
        hop = self.way.hops[0]
        if hop.protocol.endswith(("A", "HTTP", "HTTPS", "MAPI")) or not hop.from_ip:
            return ""
        return _sender(hop, None)

    def new_day(self, moment: int | None, rail: str) -> Iterator[Line]:
        """The date, where it is another one than above."""
        then = _local(moment) if moment is not None and self.times else None
        day = f"{then:%Y-%m-%d}" if then is not None else ""
        if day and day != self.day:
            self.day = day
            yield self.row(day, rail, "", Style.NOTE, Style.NOTE)

    def step(self, hop: Hop, before: Hop | None, rail: str) -> Iterator[Line]:
        """What lies between two servers: how long it took, and how it was sent."""
        style = Style.NOTE if hop.sure else Style.FAINT
        pieces = [_how(hop)]
        if (before is not None or not self.first_sender()) and (sender := _sender(hop, before)):
            pieces.append(f"from {sender}")
        delay = hop.delay
        lateness = Style.NOTE
        bar = ""
        if delay is not None:
            if delay < 0:
                lateness = Style.WARNING
            elif delay >= _LONG:
                lateness = Style.WARNING if delay >= _VERY_LONG else Style.STRONG
            if self.times and delay > 0 and delay >= self.longest / 40 and self.longest >= 2:
                bar = "━" * max(1, round(_BAR * delay / self.longest))
        words = "" if delay is None else ("− " if delay < 0 else "+ ") + span_of_time(abs(delay))
        text = "  ".join(part for part in (bar, " · ".join(piece for piece in pieces if piece)) if part)
        tone = Style.WARNING if hop.tls is False and not _is_within(hop) else Style.NOTE
        yield from self.step_rows(words, lateness, rail, style, bar, text, tone)
        yield self.row("", rail, "", Style.NOTE, style)

    def step_rows(
        self, words: str, lateness: Style, rail: str, rail_style: Style, bar: str, text: str, tone: Style
    ) -> Iterator[Line]:
        lead = "" if self.times or not words else f"{words}  "
        # A step of which only its length is known is a line too.
        for number, piece in enumerate([*_pieces(lead + text, self.room)] or [""] * bool(words)):
            first = number == 0
            spans = [Span(f"{words if first and self.times else '':>{self.times}}", lateness)] if self.times else []
            spans.append(Span(f"  {rail}  ", rail_style))
            marked = lead or bar
            if first and marked and piece.startswith(marked):
                shade = Style.GOOD if bar and lateness is Style.NOTE else lateness
                spans += [Span(marked, shade), Span(piece[len(marked) :], tone)]
            else:
                spans.append(Span(piece, tone))
            yield Line(tuple(span for span in spans if span.text))

    def server(self, hop: Hop, rail: str) -> Iterator[Line]:
        mark = _SURE if hop.sure else _UNSURE
        name = hop.by or hop.by_ip or "a server that does not say its name"
        mark_style = Style.GOOD if hop.sure else Style.NOTE
        yield from self.new_day(hop.at, rail)
        yield self.row(self.time_of(hop.at), mark, name, Style.STRONG if hop.sure else Style.PLAIN, mark_style)
        rail_style = Style.NOTE if hop.sure else Style.FAINT
        if not self.times and hop.at is not None:
            yield self.row("", rail, self.moment(hop.at), Style.NOTE, rail_style)
        for doubt in hop.doubts:
            for number, piece in enumerate(_pieces(doubt, self.room - 2)):
                yield self.row("", rail, ("! " if number == 0 else "  ") + piece, Style.WARNING, rail_style)
        yield self.row("", rail, "", Style.NOTE, rail_style)

    def end(self) -> Iterator[Line]:
        shown = self.shown
        if shown.fetched_by:
            how = f"{shown.fetched_by}, " + ("TLS" if shown.fetched_securely else "not encrypted")
            for piece in _pieces(f"{how} · from {shown.fetched_from}", self.room):
                yield self.row("", _SOLID, piece, Style.NOTE, Style.NOTE)
            yield self.row("", _SOLID, "", Style.NOTE, Style.NOTE)
        yield self.row("", _HERE, "this computer", Style.STRONG, Style.GOOD)

    def border(self) -> Line:
        """Where what is written begins to be sure."""
        words = " from here on your provider answers for it "
        left = self.times + 2
        room = max(0, self.width - left - 1)
        spans = [Span("╌" * left + "┼", Style.FAINT), Span(clip(words, room), Style.GOOD)]
        if room > cell_width(words):
            spans.append(Span("╌" * min(room - cell_width(words), 24), Style.FAINT))
        return Line(tuple(spans))

    # lines

    @property
    def room(self) -> int:
        return self.width - self.times - 5

    def row(self, time: str, mark: str, text: str, style: Style, mark_style: Style) -> Line:
        spans = [Span(f"{time:>{self.times}}", Style.NOTE)] if self.times else []
        spans += [Span(f"  {mark}  ", mark_style), Span(clip(steady(text), self.room), style)]
        return Line(tuple(span for span in spans if span.text))

    def wrapped(self, prefix: str, text: str, style: Style) -> Iterator[Line]:
        for piece in _pieces(text, self.width - len(prefix)):
            yield Line((Span(prefix + piece, style),))

    # times

    def time_of(self, moment: int | None) -> str:
        then = _local(moment) if moment is not None and self.times else None
        return f"{then:%H:%M:%S}" if then is not None else ""

    @staticmethod
    def moment(moment: int) -> str:
        then = _local(moment)
        return f"{then:%Y-%m-%d %H:%M:%S}" if then is not None else ""


def _local(moment: int) -> datetime.datetime | None:
    try:
        return datetime.datetime.fromtimestamp(moment)
    except (OverflowError, OSError, ValueError):
        return None


def _pieces(text: str, room: int) -> Iterator[str]:
    """The text broken at spaces into lines of at most `room` cells."""
    text = steady(text)
    room = max(8, room)
    while text:
        cut = len(text) if cell_width(text) <= room else cut_cells(text, room)
        if cut < len(text):
            space = text.rfind(" ", cut // 2, cut + 1)
            cut = space if space > 0 else cut
        yield text[:cut].rstrip()
        text = text[cut:].lstrip()


def _is_within(hop: Hop) -> bool:
    """Whether it was a step within one machine or one program, where nothing can listen."""
    return (
        hop.protocol in ("qmail", "local", "MAPI", "LMTP", "") or hop.from_ip.startswith("127.") or hop.from_ip == "::1"
    )


def _how(hop: Hop) -> str:
    """Protocol, encryption and sign-in of a step, in words."""
    words: list[str] = []
    protocol = hop.protocol
    if protocol:
        base = protocol.removeprefix("UTF8")
        signed_in = base.endswith("A") and base.startswith(("ESMTP", "LMTP"))
        words.append(
            {"ESMTP": "SMTP", "ESMTPS": "SMTP", "ESMTPA": "SMTP", "ESMTPSA": "SMTP", "LMTPS": "LMTP"}.get(base, base)
        )
        if hop.tls:
            words.append(
                f"TLS {hop.tls_version}"
                if hop.tls_version and hop.tls_version[0].isdigit()
                else hop.tls_version or "TLS"
            )
        elif hop.tls is False and not _is_within(hop):
            words.append("not encrypted")
        if signed_in:
            words.append("signed in")
    elif hop.tls:
        words.append(f"TLS {hop.tls_version}".rstrip())
    return ", ".join(words)


def _sender(hop: Hop, before: Hop | None) -> str:
    """Who handed it over, where that is not plain from the server above."""
    name = hop.from_host or hop.from_name.strip("[]")
    address = hop.from_ip
    if before is not None and name.lower() == before.by.lower():
        return f"[{address}]" if address else ""
    if address and name and name != address:
        return f"{name} [{address}]"
    return name or (f"[{address}]" if address else "")
