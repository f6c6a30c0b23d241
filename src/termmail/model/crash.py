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

_lock = threading.Lock()
_counting = False
_at = 0
_passed = 0


def arm(when: str) -> None:
    """Count from here on, and die at a point: `when` is as TERMMAIL_CRASH_AT. For a test that forks."""
    global _counting, _at, _passed
    _at = int(when) if when.isdigit() else 0
    _counting = _at > 0 or when == "count"
    _passed = 0


def crash_point(name: str) -> None:
    """Pass a point: before and after every commit, fsync, rename, link and server command."""
    if not _counting:
        return
    global _passed
    with _lock:
        _passed += 1
        if _passed == _at:
            os.kill(os.getpid(), signal.SIGKILL)


def _write_count(path: Path) -> None:
    path.write_text(str(_passed), encoding="ascii")


arm(os.environ.get("TERMMAIL_CRASH_AT", ""))
if _counting and not _at and "TERMMAIL_CRASH_COUNT" in os.environ:
    atexit.register(_write_count, Path(os.environ["TERMMAIL_CRASH_COUNT"]))
