"""Points at which a test lets the process die, to prove that what follows recovers from it (S1).

`TERMMAIL_CRASH_AT=n` ends the process with SIGKILL at the n-th point; `TERMMAIL_CRASH_AT=count` writes how many there were to the
file named by `TERMMAIL_CRASH_COUNT` when the process ends. Unset, a point costs one comparison.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
from pathlib import Path

_WHEN = os.environ.get("TERMMAIL_CRASH_AT", "")
_AT = int(_WHEN) if _WHEN.isdigit() else 0
_COUNTING = _WHEN == "count"
_lock = threading.Lock()
_passed = 0


def crash_point(name: str) -> None:
    """Pass a point: before and after every commit, fsync, rename, link and server command."""
    if not _AT and not _COUNTING:
        return
    global _passed
    with _lock:
        _passed += 1
        if _passed == _AT:
            os.kill(os.getpid(), signal.SIGKILL)


def _write_count() -> None:
    Path(os.environ["TERMMAIL_CRASH_COUNT"]).write_text(str(_passed), encoding="ascii")


if _COUNTING and "TERMMAIL_CRASH_COUNT" in os.environ:
    atexit.register(_write_count)
