"""A command on a pseudo-terminal that is talked to line by line, as with a screen reader: what it prints is only ever appended."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

_PATIENCE = 40.0


class Conversation:
    """A context manager. `text` is all that was printed so far, by the terminal's own line ends."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        self.text = ""
        self._heard = 0
        self._master, slave = pty.openpty()
        self._process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "dumb", **environment},
            cwd=folder,
            start_new_session=True,
            preexec_fn=lambda: _take_terminal(slave),
        )
        os.close(slave)

    def __enter__(self) -> Conversation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._master)

    def hear(self, words: str) -> str:
        """Wait for words that were not heard yet; what was said up to and with them."""
        deadline = time.monotonic() + _PATIENCE
        pattern = re.compile(r"\s+".join(re.escape(word) for word in words.split()))
        while (found := pattern.search(self.text, self._heard)) is None:
            assert time.monotonic() < deadline, f"“{words}” was not said:\n{self.text[self._heard :]}"
            assert self._read(), f"It ended without “{words}”:\n{self.text[self._heard :]}"
        said = self.text[self._heard : found.end()]
        self._heard = found.end()
        return said

    def answer(self, text: str | bytes = "") -> None:
        """Type a line, in UTF-8 where it is not given as bytes."""
        os.write(self._master, (text.encode() if isinstance(text, str) else text) + b"\n")

    def ask(self, words: str, answer: str | bytes = "") -> str:
        """Wait for a question and answer it; what was said before it."""
        said = self.hear(words)
        # The prompt is written and then read from: without this the echo could come before it.
        time.sleep(0.05)
        self.answer(answer)
        return said

    def interrupt(self) -> None:
        """^C, as a person does: again where nothing happens.

        Between the moment in which Python writes a prompt and that in which it reads a line, one is lost.
        """
        deadline = time.monotonic() + _PATIENCE
        while "Stopped." not in self.text[self._heard :]:
            assert time.monotonic() < deadline, self.text
            os.write(self._master, b"\x03")
            again = time.monotonic() + 1.0
            while time.monotonic() < again and self._read():
                if "Stopped." in self.text[self._heard :]:
                    break

    def kill(self) -> None:
        """kill -9."""
        self._process.send_signal(signal.SIGKILL)

    def code(self) -> int:
        """Wait for the end."""
        while self._read():
            pass
        return self._process.wait(_PATIENCE)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._master], [], [], 0.2)
        if not ready:
            return self._process.poll() is None
        try:
            data = os.read(self._master, 65536)
        except OSError:
            return False
        self.text += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)


def _take_terminal(slave: int) -> None:
    import fcntl
    import termios

    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
