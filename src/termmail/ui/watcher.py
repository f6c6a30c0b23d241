"""Notices what others commit to the store, and reads what is too long for the thread of the user interface."""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Callable

from termmail.model.errors import TermmailError
from termmail.model.mailbox import Mailbox
from termmail.model.outgoing import OutboxItem
from termmail.model.status import AccountStatus, Request, RequestState
from termmail.model.view import MailboxPatch
from termmail.store.queries import Queries
from termmail.ui.list_model import ListKey

POLL_SECONDS = 0.05
_PATCH_LIMIT = 300
_BUSY_PAUSE = 0.25
_WORTH_A_PAUSE = 0.02

News = object
"""One of the classes below."""


class MailboxesChanged:
    """The mailboxes that are new or changed, and the ids of those that went."""

    def __init__(self, upserted: tuple[Mailbox, ...], removed: tuple[int, ...]) -> None:
        self.upserted = upserted
        self.removed = removed


class StatusChanged:
    """The accounts' states, the number of problems nobody has looked at, and whether the user works offline."""

    def __init__(self, accounts: list[AccountStatus], problems: int, work_offline: bool) -> None:
        self.accounts = accounts
        self.problems = problems
        self.work_offline = work_offline

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StatusChanged) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]


class OutboxChanged:
    """What waits to be sent, or failed."""

    def __init__(self, items: list[OutboxItem]) -> None:
        self.items = items


class ListChanged:
    """What changed in the list that is watched."""

    def __init__(self, key: ListKey, patch: MailboxPatch) -> None:
        self.key = key
        self.patch = patch


class ListLoaded:
    """All ids of the list that is watched."""

    def __init__(self, key: ListKey, ids: array[int], changed: int) -> None:
        self.key = key
        self.ids = ids
        self.changed = changed


class RequestEnded:
    """A request that was followed is done or failed."""

    def __init__(self, request: Request) -> None:
        self.request = request


class WatchFailed:
    """Reading the store failed; it is tried again."""

    def __init__(self, error: TermmailError) -> None:
        self.error = error


class Watcher:
    """A thread that looks at the store every 50 ms and tells what changed. `tell` is called in that thread."""

    def __init__(self, queries: Queries, tell: Callable[[News], None]) -> None:
        self._queries = queries
        self._tell = tell
        self._wake = threading.Condition()
        self._stopping = False
        self._key = ListKey(0)
        self._changed = 0
        self._load = False
        self._requests: set[int] = set()
        self._mailboxes_changed = 0
        self._status: StatusChanged | None = None
        self._outbox: list[OutboxItem] = []
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def start(self, changed: int) -> None:
        """Begin; `changed` is the store's number from before the mailboxes were read."""
        self._mailboxes_changed = changed
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for it."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join(5)

    def watch(self, key: ListKey, changed: int, *, load: bool) -> None:
        """Tell of this list from now on; `changed` is the store's number from before its first ids were read."""
        with self._wake:
            self._key, self._changed, self._load = key, changed, load
            self._wake.notify()

    def reload(self, key: ListKey) -> None:
        """Load the ids of this list again."""
        with self._wake:
            if key == self._key:
                self._load = True
                self._wake.notify()

    def follow(self, request_id: int) -> None:
        """Tell when this request has ended."""
        with self._wake:
            self._requests.add(request_id)

    def look(self) -> None:
        """Look now rather than in up to 50 ms."""
        with self._wake:
            self._wake.notify()

    def _run(self) -> None:
        version = -1
        failing = False
        while True:
            with self._wake:
                if not self._load and not self._stopping:
                    self._wake.wait(POLL_SECONDS)
                if self._stopping:
                    return
                key, changed, load, self._load = self._key, self._changed, self._load, False
            began = time.monotonic()
            try:
                now = self._queries.data_version()
                if now != version or load:
                    if key.mailbox_id:
                        self._look_at_list(key, changed, load=load)
                    if now != version:
                        self._look_at_the_rest()
                    version = now
                failing = False
            except TermmailError as error:
                version = -1
                if not failing:
                    self._tell(WatchFailed(error))
                failing = True
            if time.monotonic() - began > _WORTH_A_PAUSE:
                # While thousands of messages come in, the keyboard needs the interpreter more than the list does.
                with self._wake:
                    if not self._stopping and not self._load:
                        self._wake.wait(_BUSY_PAUSE)

    def _look_at_list(self, key: ListKey, changed: int, *, load: bool) -> None:
        if not load:
            patch = self._queries.patch_since(key.mailbox_id, changed, _PATCH_LIMIT)
            load = patch.overflow
        if load:
            now = self._queries.changed_now()
            ids = self._queries.message_ids(key.mailbox_id, key.sort, key.reverse)
            self._advance(key, now)
            self._tell(ListLoaded(key, ids, now))
            return
        self._advance(key, patch.changed)
        self._tell(ListChanged(key, patch))

    def _advance(self, key: ListKey, changed: int) -> None:
        with self._wake:
            if key == self._key:
                self._changed = changed

    def _look_at_the_rest(self) -> None:
        patch = self._queries.mailboxes_since(self._mailboxes_changed)
        self._mailboxes_changed = patch.changed
        if patch.upserted or patch.removed:
            self._tell(MailboxesChanged(patch.upserted, patch.removed))
        status = StatusChanged(
            self._queries.accounts(),
            self._queries.unseen_problem_count(),
            self._queries.setting("work_offline") == "1",
        )
        if status != self._status:
            self._status = status
            self._tell(status)
        outbox = self._queries.outbox()
        if outbox != self._outbox:
            self._outbox = outbox
            self._tell(OutboxChanged(outbox))
        with self._wake:
            followed = list(self._requests)
        for request_id in followed:
            request = self._queries.request(request_id)
            if request is None or request.state in (RequestState.DONE, RequestState.FAILED):
                with self._wake:
                    self._requests.discard(request_id)
                if request is not None:
                    self._tell(RequestEnded(request))
