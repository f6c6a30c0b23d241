"""The terminal's driver, where the terminal goes away."""

from __future__ import annotations

import contextlib
import os
import pty
import threading

from textual.drivers._writer_thread import WriterThread

from termmail.ui.driver import TerminalOutput


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
