"""Writes intents in a thread of its own, one after the other, so that no key waits for the disk."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from termmail.model.errors import TermmailError
from termmail.model.home import Home
from termmail.store.queries import Queries

if TYPE_CHECKING:
    from termmail.store.intents import Intents

Wish = Callable[["Intents"], object]


class Written(NamedTuple):
    """What became of a wish: its result, or the error. `changed` is a store's number that has it."""

    result: object
    error: TermmailError | None
    changed: int


Done = Callable[[Written], None]


class Writer:
    """A queue of wishes. `tell` is called in the writer's thread with what the caller wanted called, and its argument."""

    def __init__(self, home: Home, queries: Queries, tell: Callable[[Done, Written], None], wake: Callable[[], None]):
        self._home = home
        self._queries = queries
        self._tell = tell
        self._wake = wake
        self._queue: queue.SimpleQueue[tuple[Wish, Done | None, bool] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def start(self) -> None:
        """Begin with what was wished so far."""
        self._thread.start()

    def wish(self, wish: Wish, done: Done | None = None, *, for_engine: bool = True) -> None:
        """Have `wish` carried out; `done` is told of it. `for_engine` says that the engine has something to do then."""
        self._queue.put((wish, done, for_engine))

    def stop(self) -> None:
        """Carry out what is still in the queue, then end."""
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join(10)

    def _run(self) -> None:
        # Not needed for the first frame.
        from termmail.store.intents import Intents

        intents: Intents | None = None
        wake = False
        try:
            while (entry := self._queue.get()) is not None:
                wish, done, for_engine = entry
                written: Written
                try:
                    if intents is None:
                        intents = Intents(self._home)
                    result = wish(intents)
                    written = Written(result, None, self._queries.changed_now())
                except TermmailError as error:
                    written = Written(None, error, 0)
                if done is not None:
                    self._tell(done, written)
                wake |= for_engine and written.error is None
                if wake and self._queue.empty():
                    wake = False
                    self._wake()
        finally:
            if intents is not None:
                intents.close()
