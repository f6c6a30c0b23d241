"""The worker of an IMAP account: connect, sync, carry out edits, fetch bodies, wait, for as long as the engine runs."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable

from termmail.engine.connector import Connector
from termmail.engine.idle import IdleWatch
from termmail.engine.worker import AccountWorker, Pace
from termmail.model.account import Account
from termmail.model.errors import StorageFailed, TermmailError
from termmail.model.secret import Secret
from termmail.model.status import ConnectionState, Request, RequestKind
from termmail.protocols import imap
from termmail.protocols.imap import ImapSession
from termmail.store.ingest import Ingest
from termmail.store.journal import Journal
from termmail.sync.imap import ImapSync, Urgent

_log = logging.getLogger(__name__)

_LAST_EDITS_SECONDS = 3.0


class ImapWorker(AccountWorker[ImapSession]):
    """Keeps a connection for the work and, where the server has IDLE, one that hears of new mail."""

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
        connector = Connector(account, password, imap.connect)
        super().__init__(account, ingest, journal, connector, offline=offline, pace=pace)
        self._session: ImapSession | None = None
        self._sync: ImapSync | None = None
        self._idle: IdleWatch | None = None
        self._hinted = False
        self._thorough_due = 0.0
        self._bodies_left = False
        self._unanswered: list[Request] = []

    def _cycle(self) -> None:
        if self._rests():
            self._wait(self._rest_until)
            return
        sync = self._connected()
        requests = self._take_requests()
        self._serve_bodies(sync, requests)
        syncs = [request for request in requests if request.kind is RequestKind.SYNC]
        now = time.monotonic()
        if syncs or now >= self._pass_due or self._hinted:
            self._pass(sync, syncs, thorough=bool(syncs) or now >= self._thorough_due)
        elif self._edits_due():
            self._replay(sync)
        elif self._bodies_left:
            self._fetch_bodies(sync, None)
        if not self._something_to_do():
            self._wait(self._next_time())

    def _connected(self) -> ImapSync:
        if self._sync is not None:
            return self._sync
        self.board.say(ConnectionState.CONNECTING)
        self._session = session = self._connector.connect(self._should_stop)
        _log.info("connected to %s", session.host)
        self._sync = ImapSync(
            session,
            self._ingest,
            self._journal,
            self.account,
            self.board.progress,
            self._should_stop,
            Urgent(self._take_bodies, self._answer_body, self._edits_due),
        )
        self._connected_at = time.monotonic()
        self._pass_due = 0.0
        self.board.say(ConnectionState.ONLINE, plain=session.plain)
        return self._sync

    def _pass(self, sync: ImapSync, syncs: list[Request], *, thorough: bool) -> None:
        self._hinted = False
        self._edits = False
        wanted = {request.mailbox_id for request in syncs}
        only = wanted.pop() if len(wanted) == 1 and time.monotonic() < self._pass_due else None
        sync.run(mailbox_id=only, thorough=thorough)
        self._note_alerts()
        self.board.say(ConnectionState.ONLINE, synced_at=time.time())
        self._failures = 0
        if only is None:
            now = time.monotonic()
            self._pass_due = now + self._poll_seconds()
            if thorough:
                self._thorough_due = now + self._pace.thorough
        self._watch_inbox()
        if thorough:
            self._ingest.expire_kept_bodies()
        self._unanswered += syncs
        self._fetch_bodies(sync, None if self._bodies_left else only)

    def _fetch_bodies(self, sync: ImapSync, only: int | None) -> None:
        """Bodies until all are here, or a pass is wanted: new mail is not to wait for old mail's bodies (S15)."""
        self._bodies_left = not sync.bodies(only, self._pass_wanted)
        if self._bodies_left:
            return
        self.board.say(ConnectionState.ONLINE, synced_at=time.time())
        answered, self._unanswered = self._unanswered, []
        for request in answered:
            self._answer(request, "")

    def _pass_wanted(self) -> bool:
        with self._lock:
            asked = any(request.kind is RequestKind.SYNC for request in self._requests)
        return asked or self._hinted or time.monotonic() >= self._pass_due

    def _replay(self, sync: ImapSync) -> None:
        self._edits = False
        if sync.replay():
            # What the server made of it is looked at a little later, once for many edits.
            self._pass_due = min(self._pass_due, time.monotonic() + self._pace.after_edits)
        self.board.say(ConnectionState.ONLINE)

    def _note_alerts(self) -> None:
        assert self._session is not None
        for alert in self._session.take_unsolicited().alerts:
            self._ingest.add_problem(self.account.name, alert)

    def _watch_inbox(self) -> None:
        assert self._session is not None
        if self._idle is None and self.account.connections > 1 and self._session.has("IDLE"):
            self._idle = IdleWatch(self.account.name, self._connector, self._hint, renew_seconds=self._pace.idle_renew)
            self._idle.start()

    def _hint(self) -> None:
        self._hinted = True
        self._woken.set()

    def _poll_seconds(self) -> float:
        watched = self._idle is not None and self._idle.watches
        return self._pace.poll if watched else self._pace.poll_without_idle

    def _serve_bodies(self, sync: ImapSync, requests: list[Request]) -> None:
        for request in requests:
            if request.kind is RequestKind.BODY and request.placement_id is not None:
                self._answer_body(request, sync.fetch_body(request.placement_id))

    def _answer_body(self, request: Request, sentence: str) -> None:
        self._answer(request, sentence)

    def _something_to_do(self) -> bool:
        return self._hinted or self._bodies_left or super()._something_to_do()

    def _next_time(self) -> float:
        """When to look again, in monotonic seconds."""
        due = self._journal.next_due(self.account.name)
        if due is None:
            return self._pass_due
        # Never at once: what is due and still there could not be done.
        return min(self._pass_due, time.monotonic() + max(1.0, due - time.time()))

    def _disconnect(self) -> None:
        idle, self._idle = self._idle, None
        if idle is not None:
            idle.stop()
        # Whoever asked for a pass is answered when it is clear why it ended.
        self._bodies_left, self._unanswered = False, []
        session, self._session, self._sync = self._session, None, None
        if session is not None:
            self._connector.drop(session)

    def _finish(self) -> None:
        """The engine ends: what the user did is carried out if that is quick."""
        session = self._session
        idle, self._idle = self._idle, None
        if idle is not None:
            idle.stop()
        try:
            if session is not None and not self._offline and self._journal.pending_count(self.account.name):
                deadline = time.monotonic() + _LAST_EDITS_SECONDS
                ImapSync(
                    session,
                    self._ingest,
                    self._journal,
                    self.account,
                    self.board.progress,
                    lambda: time.monotonic() > deadline,
                ).replay()
        except TermmailError as error:
            _log.info("%s", error.sentence)
        except Exception:  # noqa: BLE001 - logged with its cause, and the rest has to be closed
            _log.exception("the last edits failed")
        self._session = self._sync = None
        if session is not None:
            self._connector.close(session)
            with contextlib.suppress(StorageFailed):
                self.board.say(ConnectionState.UNKNOWN)
