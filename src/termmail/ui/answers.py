"""What the terminal answers to a question, kept out of the keys."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from typing import Literal

from textual import constants, events
from textual._xterm_parser import XTermParser
from textual.message import Message

from termmail.ui.sixel import MOST_COLOURS, SixelTerminal

_ATTRIBUTES = "\x1b[c"
_SIXEL_DETAILS = "\x1b[16t\x1b[?1;1;0S"
_KITTY_NAME = 8231
# A picture of one pixel, placed by characters. Versions of kitty that can't do that do not understand the question.
_KITTY = f"\x1b_Gi={_KITTY_NAME},s=1,v=1,a=q,t=d,f=24,U=1;AAAA\x1b\\"
_SIXEL = "4"
_AWAITED_SECONDS = 2.0
_UNFINISHED_SECONDS = 2.0
_ESCAPE_SECONDS = 0.2
"""How long an Esc waits for what may follow it, only while an answer is awaited."""

_ANSWER = re.compile(
    r"\x1b(?:\[\?(?P<attributes>[\d;]*)c|\[\?(?P<graphics>[\d;]*)S|\[6;(?P<height>\d{1,4});(?P<width>\d{1,4})t"
    r"|_G(?P<kitty>[^\x1b]{0,300})\x1b\\)"
)
_UNFINISHED = re.compile(r"\x1b(?:\[(?:\?[\d;]*\$?|6(?:;\d*){0,2})?|_(?:G[^\x1b]{0,300}\x1b?)?)?\Z")
_NO_KEY = ("\x1b[?", "\x1b_G")
"""Only answers begin like this."""
_SIZE = "\x1b[6"
_ESCAPE = "\x1b"
_ANSWERS_GO_ON = "[_"
"""After Esc."""


class SixelFound(Message):
    """The terminal draws sixels, as `terminal` says."""

    def __init__(self, terminal: SixelTerminal) -> None:
        super().__init__()
        self.terminal = terminal


class KittyFound(Message):
    """The terminal draws pictures by kitty's protocol where characters place them, and has none."""


class PictureQuestion:
    """How a terminal draws pictures: what it is asked, and what the answers mean.

    First for its attributes (DA1), which every terminal knows, and before them for kitty's protocol where it may have that: what was
    not answered before the attributes will not be. Only where those name sixel the size of a cell (XTWINOPS) and the number of
    colours (XTSMGRAPHICS) follow, and the attributes again.
    """

    def __init__(self, cell_size: Callable[[], tuple[int, int] | None]) -> None:
        """`cell_size` tells the size of a cell in pixels where the terminal does not answer."""
        self._cell_size = cell_size
        self._state: Literal["new", "asked", "details", "known"] = "new"
        self._asked_at = 0.0
        self._again = False
        self._has_sixel = False
        self.has_kitty = False
        self._cell: tuple[int, int] | None = None
        self._colours = MOST_COLOURS

    @property
    def is_awaited(self) -> bool:
        """Whether an answer may come at any moment."""
        return self.is_open and time.monotonic() - self._asked_at < _AWAITED_SECONDS

    @property
    def is_open(self) -> bool:
        """Whether a question was not answered yet, however long ago it was asked."""
        return self._state in ("asked", "details")

    def ask(self, *, kitty: bool) -> str:
        """What to write to the terminal: nothing where it was asked before. `kitty` says that it may have kitty's protocol."""
        if self._state != "new":
            return ""
        return self._asked("asked", (_KITTY if kitty else "") + _ATTRIBUTES)

    def ask_for_size(self) -> str:
        """What to write to a terminal that draws sixels when its cells may have another size."""
        if self._state == "details":
            self._again = True
        if self._state != "known" or not self._has_sixel:
            return ""
        self._again = False
        self._cell = None
        return self._asked("details", _SIXEL_DETAILS + _ATTRIBUTES)

    def _asked(self, state: Literal["asked", "details"], question: str) -> str:
        self._state = state
        self._asked_at = time.monotonic()
        return question

    def answered(self, answer: re.Match[str]) -> tuple[str, SixelFound | KittyFound | None]:
        """Take an answer: what to write to the terminal next, and what is known by now."""
        if answer["width"] is not None:
            self._cell = int(answer["width"]), int(answer["height"])
        elif answer["graphics"] is not None:
            match answer["graphics"].split(";"):
                case ["1", "0", colours] if colours.isdigit():
                    self._colours = min(int(colours), MOST_COLOURS)
        elif answer["kitty"] is not None:
            self.has_kitty = self.has_kitty or answer["kitty"] == f"i={_KITTY_NAME};OK"
        elif self._state == "asked":
            self._state = "known"
            if self.has_kitty:
                return "", KittyFound()
            # The first number is the kind of terminal.
            self._has_sixel = _SIXEL in answer["attributes"].split(";")[1:]
            return self.ask_for_size(), None
        elif self._state == "details":
            self._state = "known"
            width, height = self._cell or self._cell_size() or (0, 0)
            usable = width > 0 and height > 0 and self._colours > 1
            found = SixelFound(SixelTerminal(width, height, self._colours)) if usable else None
            return self.ask_for_size() if self._again else "", found
        return "", None


class AnswerParser(XTermParser):
    """Textual's parser of what the terminal sends, without answers, whose characters it would take for keys.

    They may come in pieces, and at any time.
    """

    def __init__(self, debug: bool, question: PictureQuestion, answered: Callable[[re.Match[str]], None]) -> None:
        super().__init__(debug)
        self._question = question
        self._answered = answered
        self._held = ""
        self._held_since = 0.0

    @property
    def is_unfinished(self) -> bool:
        """Whether the last that came may go on: what it is without that, `tick` gives after a moment."""
        return bool(self._held) or self._timeout_time is not None

    def feed(self, data: str) -> Iterable[Message]:
        """The keys and other events in `data`; empty at the end."""
        if not data:
            yield from super().feed(data)
            return
        waited = time.monotonic() - self._held_since
        if self._held == _ESCAPE and data[0] not in _ANSWERS_GO_ON and waited > constants.ESCAPE_DELAY:
            self._held = ""
            yield events.Key("escape", _ESCAPE)
        text = _ANSWER.sub(self._take, self._held + data)
        self._held = ""
        unfinished = _UNFINISHED.search(text)
        if unfinished is not None and self._may_be_answer(unfinished[0]):
            self._held, text = unfinished[0], text[: unfinished.start()]
            self._held_since = time.monotonic()
        if text:
            yield from super().feed(text)

    def tick(self) -> Iterable[Message]:
        """Give on what was held back for too long, and what Textual did."""
        is_key = not self._held.startswith(_NO_KEY)
        waited = time.monotonic() - self._held_since
        if self._held and waited > (_ESCAPE_SECONDS if is_key else _UNFINISHED_SECONDS):
            held, self._held = self._held, ""
            if is_key:
                yield from super().feed(held)
        yield from super().tick()

    def _may_be_answer(self, sequence: str) -> bool:
        if sequence.startswith(_NO_KEY):
            return True
        return self._question.is_open if sequence.startswith(_SIZE) else self._question.is_awaited

    def _take(self, answer: re.Match[str]) -> str:
        self._answered(answer)
        return ""
