"""The terminal's driver: Esc, answers that do not come, and a terminal that goes away."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import selectors
import signal
import threading

import pytest
from textual import events
from textual.app import App
from textual.drivers._writer_thread import WriterThread
from textual.message import Message

from termmail.ui.driver import TerminalDriver, TerminalOutput


async def test_escape_is_told_when_it_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """UX.md: after ESCDELAY, not with the next look at a keyboard on which nothing happens; a later key is one of its own."""
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    monkeypatch.setattr("textual.constants.ESCAPE_DELAY", 0.025)
    app: App[object] = App()
    driver = TerminalDriver(app)
    reader, writer = os.pipe()
    driver.fileno = reader
    heard: list[str] = []
    waited: list[float] = []

    def hear(message: Message) -> None:
        if isinstance(message, events.Key):
            heard.append(message.key)

    class Keyboard(selectors.SelectSelector):
        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            assert timeout is not None
            waited.append(timeout)
            match len(waited):
                case 1:
                    os.write(writer, b"\x1b")
                case 2:
                    # The time is over, and nothing has come.
                    monkeypatch.setattr("textual._parser.get_time", lambda: float("inf"))
                    return []
                case 3:
                    os.write(writer, b"j")
                    driver.exit_event.set()
            return super().select(timeout)

    monkeypatch.setattr(selectors, "SelectSelector", Keyboard)
    monkeypatch.setattr(driver, "process_message", hear)
    driver.run_input_thread()
    assert heard == ["escape", "j"]
    assert waited == [0.1, 0.025, 0.1]
    os.close(reader)
    os.close(writer)


async def test_an_answer_is_waited_for_as_long_as_somebody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Textual ends the input twice: the second time nobody is left who could take an answer."""
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    app: App[object] = App()
    driver = TerminalDriver(app, mouse=False)
    waited: list[float | None] = []
    monkeypatch.setattr(driver._has_answered, "wait", waited.append)
    driver._question.ask(kitty=False)
    driver._key_thread = threading.Thread(target=driver.exit_event.wait)
    driver._key_thread.start()
    driver.disable_input()
    driver.disable_input()
    assert len(waited) == 1


async def test_an_answer_does_not_keep_the_keyboard_from_being_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGCONT may come while the main thread asks, and waits for the thread that reads: that one can't wait for the main thread."""
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    driver = TerminalDriver(App(), mouse=False)
    answer = re.fullmatch(r"(?P<attributes>.*)", "4")
    assert answer is not None
    reading = threading.Thread(target=driver._answered, args=[answer], daemon=True)
    with driver._question_lock:
        driver.exit_event.set()
        reading.start()
        reading.join(30)
        assert not reading.is_alive()


def test_a_terminal_that_is_gone_keeps_nobody_waiting() -> None:
    """X6: the program still ends, however much it had to write."""
    terminal, program = pty.openpty()
    file = os.fdopen(program, "w")
    writer = WriterThread(TerminalOutput(file))  # type: ignore[arg-type]
    writer.start()
    writer.write("seen")
    assert os.read(terminal, 4) == b"seen"
    os.close(terminal)

    def write_and_stop() -> None:
        for _ in range(200):
            writer.write("for nobody")
        writer.stop()

    ending = threading.Thread(target=write_and_stop, daemon=True)
    ending.start()
    ending.join(30)
    assert not ending.is_alive()
    assert not writer.is_alive()
    # What the file still keeps can't be written.
    with contextlib.suppress(OSError):
        file.close()
