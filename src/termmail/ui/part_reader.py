"""The parts of a message for the screens, taken apart in the process that can be ended (P5). Every call blocks."""

from __future__ import annotations

import threading
from typing import TypeVar

from termmail.mime.worker import RenderWorker
from termmail.model.body import Part, Rendered, RenderFailed
from termmail.model.errors import Retry, TermmailError
from termmail.store.queries import Queries

Found = TypeVar("Found")


class PartUnreadable(TermmailError):
    """A part, or the list of them, can't be had; the sentence says why and what can be done."""

    retry = Retry.NEVER


class PartReader:
    """Has a render process of its own, so that a long PDF does not keep the next message waiting; it starts with the first use."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self._lock = threading.Lock()
        self._worker: RenderWorker | None = None
        self._stopped = False

    def listed(self, placement_id: int) -> tuple[Part, ...]:
        """What a message holds beside its text, names not yet safe. Raises TermmailError."""
        return _told(self._process().list_parts(self._raw(placement_id)))

    def view(self, placement_id: int, part_path: str, width: int, *, pictures: bool) -> Rendered:
        """One part laid out to `width` cells, with room for a picture where `pictures`. Raises TermmailError."""
        return _told(self._process().view_part(self._raw(placement_id), part_path, width, pictures=pictures))

    def take(self, placement_id: int, part_path: str) -> bytes:
        """The decoded bytes of one part. Raises TermmailError."""
        return _told(self._process().take_part(self._raw(placement_id), part_path))

    def stop(self) -> None:
        """End the process; whoever waits for an answer gets an error."""
        with self._lock:
            self._stopped = True
            worker = self._worker
        if worker is not None:
            worker.stop()

    def _process(self) -> RenderWorker:
        with self._lock:
            if self._stopped:
                raise PartUnreadable("termmail is ending.")
            if self._worker is None:
                self._worker = RenderWorker()
            return self._worker

    def _raw(self, placement_id: int) -> bytes:
        raw = self._queries.raw(placement_id)
        if raw is None:
            raise PartUnreadable("The message is not here any more; open it to fetch it again.")
        return raw


def _told(found: Found | RenderFailed) -> Found:
    if isinstance(found, RenderFailed):
        raise PartUnreadable(found.sentence)
    return found
