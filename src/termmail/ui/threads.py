"""From a thread into the app, which may have ended meanwhile."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from textual.app import App
from textual.message import Message
from textual.message_pump import MessagePump


def call_in_app(app: App[Any], function: Callable[..., object], *arguments: object) -> None:
    """Have the app call this in its own thread, unless it has ended. Does not wait for it."""
    # What the function raises is raised there; here it is only put into a queue, which is gone with the app.
    with contextlib.suppress(RuntimeError):
        app.call_later(function, *arguments)


def tell(pump: MessagePump, message: Message) -> None:
    """Give a message to a screen or a widget, unless it is no longer there."""
    with contextlib.suppress(RuntimeError):
        pump.post_message(message)


@contextlib.contextmanager
def faults_told(app: App[Any]) -> Iterator[None]:
    """Let what nobody foresaw in a thread end the app, as it does in the app's own, instead of leaving it without that thread."""

    def take(fault: threading.ExceptHookArgs) -> None:
        def raise_it() -> None:
            if fault.exc_value is not None:
                raise fault.exc_value

        call_in_app(app, raise_it)

    before = threading.excepthook
    threading.excepthook = take
    try:
        yield
    finally:
        threading.excepthook = before
