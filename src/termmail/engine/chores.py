"""What the engine does for the front ends when it has nothing better to do."""

from __future__ import annotations

import time

from termmail.store.correspondents import catch_up
from termmail.store.database import Database

_BETWEEN_SECONDS = 0.2
_PAUSE_SECONDS = 5.0


class Chores:
    """In steps of a few milliseconds, so that nobody waits for it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._due = time.monotonic() + _PAUSE_SECONDS

    def step(self) -> None:
        """Take a step, if one is due: learn whom one writes to and hears from. Raises StorageFailed."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + _PAUSE_SECONDS
        if catch_up(self._database):
            self._due = time.monotonic() + _BETWEEN_SECONDS
