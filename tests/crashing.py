"""Deaths at a crash point (S1), in a process forked for it."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable

from termmail.model import crash
from termmail.store import maildir


def ends_in_child(action: Callable[[], object], when: str = "") -> bool:
    """Whether `action`, done in a forked process, comes to its end before that dies at a crash point. Fails where it raised.

    `when` is as TERMMAIL_CRASH_AT, counted from the beginning; without it `action` arms the crash points itself.
    """
    child = os.fork()
    if child == 0:
        code = 1
        try:
            # Else the names of temporary files would be those of the process forked before.
            maildir._process = f"{os.getpid()}.0123456789ab"
            crash.arm(when)
            action()
            code = 0
        except BaseException:  # noqa: BLE001 - the parent sees the exit code and pytest the traceback
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    ended = os.waitstatus_to_exitcode(status)
    assert ended in (0, -signal.SIGKILL)
    return ended == 0
