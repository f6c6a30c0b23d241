"""The message that is being written, as its recipient will see it."""

from __future__ import annotations

import time
from io import BytesIO
from pathlib import Path
from typing import ClassVar

import msgspec
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.strip import Strip

from termmail.mime.building import build
from termmail.mime.headers import decode_header, header_fields
from termmail.mime.render import message_text
from termmail.model.outgoing import Draft
from termmail.ui.screens.keyed import Keyed, key_name
from termmail.ui.text import one_line, wrapped
from termmail.ui.widgets.pane import Pane, PaneTitle, look_for
from termmail.ui.words import size

_SHOWN = ("From", "Reply-To", "To", "Cc", "Subject")


class PreviewPane(Pane):
    """Lines of (words, style)."""

    DEFAULT_CSS = "PreviewPane { height: 1fr; background: $surface; }"

    def __init__(self, lines: list[tuple[str, str]]) -> None:
        super().__init__()
        self._source = lines
        self._lines: list[tuple[str, str]] = []

    def sized(self) -> None:
        room = max(10, self.line_width - 4)
        self._lines = [
            (piece, style) for words, style in self._source for piece in (wrapped(words, room, 10_000) or [""])
        ]
        self.line_count = len(self._lines)
        super().sized()

    def draw_line(self, y: int) -> Strip:
        pen = self.pen()
        place = y + self.top
        if place < len(self._lines):
            words, style = self._lines[place]
            pen.space(2)
            pen.put(words, getattr(look_for(self), style))
        return self.ended(pen, y)


class PreviewScreen(Keyed, ModalScreen[None], inherit_bindings=False):
    """Built as it would be sent, and read again. Raises Unsendable."""

    BINDINGS: ClassVar = []
    DEFAULT_CSS = """
    PreviewScreen { align: center middle; background: $background 55%; }
    PreviewScreen > Vertical { width: 92%; max-width: 100; height: 90%; background: $surface; padding: 1; }
    """

    def __init__(self, draft: Draft, folder: Path) -> None:
        super().__init__()
        file = BytesIO()
        bare = msgspec.structs.replace(draft, attachments=())
        build(bare, folder, file, message_id="preview@localhost", now=time.time(), as_draft=True)
        raw = file.getvalue()
        lines = [
            (f"{name}: {one_line(decode_header(value))}", "muted")
            for name, value in header_fields(raw)
            if name in _SHOWN
        ]
        lines.append(("", "text"))
        lines += [(line, "text") for line in message_text(raw).split("\n")]
        if draft.attachments:
            lines.append(("", "text"))
        lines += [
            (f"{one_line(one.name)}  {one.content_type}  {size(one.size)}", "accent") for one in draft.attachments
        ]
        self._pane = PreviewPane(lines)
        self._title = PaneTitle("preview")

    def compose(self) -> ComposeResult:
        with Vertical():
            yield self._title
            yield self._pane

    def on_mount(self) -> None:
        self._title.show("As it will be read", "q closes", active=True)

    def key_pressed(self, event: events.Key) -> bool:
        moves = {
            "j": 1,
            "down": 1,
            "k": -1,
            "up": -1,
            "space": 10,
            "pagedown": 10,
            "pageup": -10,
            "G": 10**6,
            "home": -(10**6),
        }
        key = key_name(event)
        if key in moves:
            self._pane.to_line(self._pane.top + moves[key])
        else:
            self.dismiss(None)
        return True
