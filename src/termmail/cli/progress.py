"""A line of progress for each account, redrawn in place on a terminal."""

from __future__ import annotations

import os
import sys
import threading
import time
from types import TracebackType

from termmail.cli.output import fit, terminal_columns
from termmail.mime.safe_text import safe_text
from termmail.mime.width import cell_width
from termmail.model.status import AccountStatus, ConnectionState

_BETWEEN_SECONDS = 0.1
_BAR_CELLS = 20
_WORDS = {
    ConnectionState.CONNECTING: "connecting",
    ConnectionState.ONLINE: "online",
    ConnectionState.UNKNOWN: "done",
}


class Progress:
    """A context manager; `show` may be called from any thread. Draws nothing where standard error is no terminal."""

    def __init__(self) -> None:
        self._lines: dict[str, str] = {}
        self._drawn = 0
        self._drawn_at = 0.0
        self._lock = threading.Lock()
        self._live = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            if self._live:
                self._erase()
            self._live = False

    def show(self, status: AccountStatus) -> None:
        """An account's state has changed."""
        with self._lock:
            if not self._live:
                return
            self._lines[status.account] = describe(status)
            now = time.monotonic()
            if now - self._drawn_at >= _BETWEEN_SECONDS:
                self._drawn_at = now
                self._erase()
                columns = terminal_columns() - 1
                sys.stderr.write("".join(fit(line, columns) + "\n" for line in self._lines.values()))
                sys.stderr.flush()
                self._drawn = len(self._lines)

    def _erase(self) -> None:
        if self._drawn:
            sys.stderr.write(f"\x1b[{self._drawn}A\x1b[J")
            sys.stderr.flush()
            self._drawn = 0


def describe(status: AccountStatus) -> str:
    """An account's state on one line, with a bar where it is known how much there is to do."""
    what = safe_text(status.activity or status.sentence or _WORDS.get(status.state, status.state.value), one_line=True)
    name = safe_text(status.account, one_line=True)
    if not status.activity or not status.total:
        return f"{name}  {what}"
    done = min(status.done, status.total)
    filled = _BAR_CELLS * done // status.total
    amount = f", {status.size / 1e6:.1f} MB" if status.size else ""
    label = what + " " * max(0, 24 - cell_width(what))
    return f"{name}  {label} [{'#' * filled}{'.' * (_BAR_CELLS - filled)}] {done:,} of {status.total:,}{amount}"
