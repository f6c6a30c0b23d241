"""The worker of a POP3 account: empties the maildrop now and then, and keeps its Maildirs and rows together all the time."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Callable

from termmail.engine.connector import Connector
from termmail.engine.worker import AccountWorker, Pace
from termmail.model.account import Account
from termmail.model.errors import SignInTooSoon, StorageFailed, TermmailError
from termmail.model.secret import Secret
from termmail.model.status import ConnectionState, RequestKind
from termmail.protocols import pop3
from termmail.protocols.pop3 import Pop3Session
from termmail.store.ingest import Ingest
from termmail.store.journal import Journal
from termmail.sync.local import LocalSync
from termmail.sync.pop3 import Pop3Sync

_log = logging.getLogger(__name__)

_LONGEST_DELAY = 24 * 3600
_NOT_HERE = "The message is not on this computer any more."


class Pop3Worker(AccountWorker[Pop3Session]):
    """One session for each look at the maildrop, since others can't open it meanwhile. What the user does needs no session."""

    def __init__(
        self,
        account: Account,
        ingest: Ingest,
        journal: Journal,
        password: Callable[[Account], Secret],
        *,
        offline: bool,
        pace: Pace | None = None,
    ) -> None:
        connector = Connector(account, password, pop3.connect)
        super().__init__(account, ingest, journal, connector, offline=offline, pace=pace)
        self._local = LocalSync(ingest.database, journal, account.name, self._ending.is_set)
        self._folders_due = 0.0

    def _cycle(self) -> None:
        self._edits = False
        if time.monotonic() >= self._folders_due:
            self._local.run()
            self._folders_due = time.monotonic() + self._pace.folders
        else:
            self._local.settle()
        for request in self._take_bodies():
            self._answer(request, _NOT_HERE)
        if not self._rests():
            syncs = [request for request in self._take_requests() if request.kind is RequestKind.SYNC]
            if syncs or time.monotonic() >= self._pass_due:
                refusal = self._too_soon()
                if not refusal:
                    self._pass()
                for request in syncs:
                    self._answer(request, refusal)
            if self.board.status.state is ConnectionState.OFFLINE:
                # The network was switched on again, and it is not time to look yet.
                self.board.say(ConnectionState.ONLINE if self.board.status.synced_at else ConnectionState.UNKNOWN)
        if not self._something_to_do():
            self._wait(self._folders_due)

    def _too_soon(self) -> str:
        """Why the server is not to be asked yet, as a sentence; empty where it may be."""
        left = self._sign_in_at - time.monotonic()
        if left <= 0:
            return ""
        return (
            f"{self.account.incoming.host} wants more time to pass before mail is fetched again: it is possible in"
            f" {math.ceil(left)} seconds."
        )

    def _pass(self) -> None:
        self.board.say(ConnectionState.CONNECTING)
        try:
            session = self._connector.connect(self._should_stop)
        except SignInTooSoon as error:
            self._heed_delay(error.seconds, since=time.monotonic())
            raise
        self._connected_at = time.monotonic()
        try:
            self.board.say(ConnectionState.ONLINE, plain=session.plain)
            Pop3Sync(session, self._ingest, self._local, self.account, self.board.progress, self._should_stop).run()
        finally:
            # All that the server says of itself is known only after the listing.
            self._heed_delay(session.login_delay, since=self._connected_at)
            self._connector.close(session)
        # A look that failed stays due: when to try again is said by the rest that follows it, or by the user.
        self._pass_due = time.monotonic() + self._pace.maildrop
        self._failures = 0
        self.board.say(ConnectionState.ONLINE, synced_at=time.time())

    def _heed_delay(self, seconds: int, *, since: float) -> None:
        """LOGIN-DELAY (RFC 2449), but no number that would keep mail away for longer than a day. `since`: monotonic seconds."""
        self._sign_in_at = since + min(seconds, _LONGEST_DELAY)

    def _disconnect(self) -> None:
        """There is never a connection between two looks at the maildrop."""

    def _finish(self) -> None:
        try:
            LocalSync(self._ingest.database, self._journal, self.account.name, lambda: False).settle()
            with contextlib.suppress(StorageFailed):
                self.board.say(ConnectionState.UNKNOWN)
        except TermmailError as error:
            _log.info("%s", error.sentence)
        except Exception:  # noqa: BLE001 - logged with its cause, and the rest has to be closed
            _log.exception("the last edits failed")
