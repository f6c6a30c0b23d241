"""From a thread into the app, which may have ended meanwhile."""

from __future__ import annotations

import contextlib
import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from textual.app import App
from textual.message import Message
from textual.message_pump import MessagePump

_log = logging.getLogger(__name__)


def call_in_app(app: App[Any], function: Callable[..., object], *arguments: object) -> None:
    """Have the app call this in its own thread, unless it has ended. Does not wait for it."""
    _call_later(app, function, *arguments)


def _call_later(app: App[Any], function: Callable[..., object], *arguments: object) -> bool:
    try:
        return app.call_later(function, *arguments)
    except RuntimeError:
        # What the function raises is raised in the app; here it is only put into a queue, which is gone with the app.
        return False


def tell(pump: MessagePump, message: Message) -> None:
    """Give a message to a screen or a widget, unless it is no longer there."""
    with contextlib.suppress(RuntimeError):
        pump.post_message(message)


@contextlib.contextmanager
def faults_told(app: App[Any]) -> Iterator[None]:
    """Let what nobody foresaw in a thread end the app, as it does in the app's own, instead of leaving it without that thread."""

    def take(fault: threading.ExceptHookArgs) -> None:
        error = fault.exc_value
        if error is None:
            return

        def raise_it() -> None:
            raise error

        if not _call_later(app, raise_it):
            # There is no app any more that could end with it.
            where = traceback.extract_tb(error.__traceback__)[-1]
            _log.error(
                "%s while the mail reader ended, at %s:%s: %s",
                type(error).__name__,
                where.filename,
                where.lineno,
                error,
            )

    before = threading.excepthook
    threading.excepthook = take
    try:
        yield
    finally:
        threading.excepthook = before
