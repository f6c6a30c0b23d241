"""The terminal's driver."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import selectors
import struct
import termios
import threading
from codecs import getincrementaldecoder
from collections.abc import Callable
from typing import TextIO

from textual import constants, events
from textual._keyboard_protocol import MODIFIER_FUNCTIONAL_KEYS
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from termmail.ui.answers import AnswerParser, KittyFound, PictureQuestion

_log = logging.getLogger(__name__)

_READ_BYTES = 4096
_LOOK_SECONDS = 0.1
_LAST_ANSWER_SECONDS = 0.5
_NO_KEYS_ALONE = {*MODIFIER_FUNCTIONAL_KEYS, "caps_lock", "num_lock", "scroll_lock"}


class TerminalOutput:
    """What is written to a terminal, which may go away before the program: the rest is for nobody.

    The thread that writes would end with the error instead, and whoever writes more than its queue holds would wait for ever.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._is_gone = False

    def write(self, text: str) -> None:
        self._unless_gone(lambda: self._file.write(text))

    def flush(self) -> None:
        self._unless_gone(self._file.flush)

    def fileno(self) -> int:
        return self._file.fileno()

    def _unless_gone(self, act: Callable[[], object]) -> None:
        if self._is_gone:
            return
        try:
            act()
        except OSError as error:
            self._is_gone = True
            _log.warning("The terminal is gone: %s", error.strerror)


class TerminalDriver(LinuxDriver):
    """Textual's, for a program that may be stopped without being told (SIGSTOP) and continued, and that asks the terminal what it can.

    Textual would then start a second thread that reads the keyboard. Only one of the two is ended at the end, and the program
    waits for the other for ever.
    """

    def __init__(
        self, app: App[object], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        if self._file is not None:
            self._file = TerminalOutput(self._file)  # type: ignore[assignment]
        self._question = PictureQuestion(cell_size)
        self._question_lock = threading.Lock()
        self._has_answered = threading.Event()

    def _sigcont_application(self, *_: object) -> None:
        if self._auto_restart and self._key_thread is not None and self._key_thread.is_alive():
            self.exit_event.set()
            self._key_thread.join()
            self.exit_event.clear()
            self.close()
        super()._sigcont_application()

    def start_application_mode(self) -> None:
        """Begin, or begin again after a program that had the terminal for itself."""
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if self._question.has_kitty:
            self.process_message(KittyFound())

    def ask_for_pictures(self, *, kitty: bool) -> None:
        """Ask the terminal once how it draws pictures: SixelFound or KittyFound is sent where it has more than half blocks.

        `kitty` says that it may have kitty's protocol.
        """
        with self._question_lock:
            question = self._question.ask(kitty=kitty)
        self._ask(question)

    def ask_for_size(self) -> None:
        """Ask a terminal that draws sixels for the size of its cells again."""
        with self._question_lock:
            question = self._question.ask_for_size()
        self._ask(question)

    def _ask(self, question: str) -> None:
        if question:
            self._has_answered.clear()
            self.write(question)
            self.flush()

    def _answered(self, answer: re.Match[str]) -> None:
        # SIGCONT may find the main thread with the lock, and then waits there until this thread has ended.
        while not self._question_lock.acquire(timeout=_LOOK_SECONDS):
            if self.exit_event.is_set():
                return
        try:
            question, found = self._question.answered(answer)
            if not self._question.is_awaited:
                self._has_answered.set()
        finally:
            self._question_lock.release()
        self._ask(question)
        if found is not None:
            self.process_message(found)

    def disable_input(self) -> None:
        """Take no more keys. An answer that is on its way is waited for: it would be typed into what comes after this program."""
        listens = self._key_thread is not None and self._key_thread.is_alive()
        if listens and self._question.is_awaited and not self.exit_event.is_set():
            self._has_answered.wait(_LAST_ANSWER_SECONDS)
        super().disable_input()

    def process_message(self, message: Message) -> None:
        """Give on what the terminal sent. Some tell each key that is held for another one, which means nothing by itself."""
        if isinstance(message, events.Key) and message.key.rpartition("+")[2] in _NO_KEYS_ALONE:
            return
        super().process_message(message)

    def run_input_thread(self) -> None:
        """Read what the terminal sends until `exit_event`: Textual's way, but answers are no keys, and Esc is told when it is due."""
        parser = AnswerParser(self._debug, self._question, self._answered)
        decode = getincrementaldecoder("utf-8")("replace").decode
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                # No longer than that: after it an Esc is not the beginning of what comes then.
                seconds = constants.ESCAPE_DELAY if parser.is_unfinished else _LOOK_SECONDS
                if selector.select(seconds) and (text := decode(os.read(self.fileno, _READ_BYTES))):
                    for event in parser.feed(text):
                        self.process_message(event)
                for event in parser.tick():
                    self.process_message(event)


def cell_size() -> tuple[int, int] | None:
    """The size of a cell of the terminal in pixels, where it tells that without being asked."""
    try:
        answer = fcntl.ioctl(1, termios.TIOCGWINSZ, bytes(8))
    except OSError:
        return None
    rows, columns, width, height = struct.unpack("HHHH", answer)
    if not (rows and columns and width >= columns and height >= rows):
        return None
    return width // columns, height // rows
