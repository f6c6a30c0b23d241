"""What waits in the outbox submitted once, for the command line: in this process, or by the engine that runs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence

from termmail.accounts import credentials
from termmail.engine.account_pass import AccountPass, kept_from_log, run_side_by_side, while_engine_runs
from termmail.engine.connector import Connector
from termmail.engine.lock import EngineLock
from termmail.engine.opening import opened_store
from termmail.engine.socket import wake_engine
from termmail.engine.status import StatusBoard
from termmail.model.account import Account, Protocol
from termmail.model.errors import StorageFailed, TermmailError
from termmail.model.home import Home
from termmail.model.outgoing import OutboxState
from termmail.model.secret import Secret
from termmail.model.status import AccountStatus
from termmail.protocols import imap, smtp
from termmail.protocols.redact import Redactor
from termmail.protocols.smtp import SmtpSession
from termmail.store.ingest import Ingest
from termmail.store.journal import Journal
from termmail.store.outbox import Outbox
from termmail.store.queries import Queries
from termmail.sync.imap import ImapSync
from termmail.sync.local import LocalSync
from termmail.sync.submit import Submitter

_log = logging.getLogger(__name__)

OFFLINE = "termmail works offline. Switch the network on to send it."

_PATIENCE_SECONDS = 300.0


def submit_once(
    home: Home,
    accounts: Sequence[Account],
    *,
    outbox_ids: Sequence[int] | None = None,
    password: Callable[[Account], Secret] = credentials.password,
    on_progress: Callable[[AccountStatus], None] | None = None,
) -> None:
    """Submit what is due of these accounts, or of that these items alone, and let the copies be filed; returns when that is tried.

    What became of an item is read from `Queries.outbox_item`. `password` is called once for each account, in a thread. Where an engine
    runs it is done there, and this returns when the items wait for something else, or for a later time. Ends early with
    KeyboardInterrupt. Raises StorageFailed, StoreTooNew.
    """
    lock = EngineLock(home)
    while not lock.acquire():
        if _follow_engine(home, accounts, outbox_ids):
            return
    try:
        _submit_here(home, accounts, outbox_ids, password, on_progress)
    finally:
        lock.release()


def make_submitter(
    account: Account, ingest: Ingest, password: Callable[[Account], Secret], board: StatusBoard
) -> tuple[Submitter[SmtpSession], Connector[SmtpSession]]:
    """What submits an account's mail, and its connections, so that they can be ended."""
    connector = Connector(account, password, smtp.connect, server=account.smtp)

    def tell(sentence: str, detail: str) -> None:
        ingest.add_problem(account.name, sentence, detail=detail)

    return Submitter(Outbox(ingest.database), account, connector, board.progress, tell), connector


def _submit_here(
    home: Home,
    accounts: Sequence[Account],
    outbox_ids: Sequence[int] | None,
    password: Callable[[Account], Secret],
    on_progress: Callable[[AccountStatus], None] | None,
) -> None:
    redactor = Redactor()
    get_password = kept_from_log(password, redactor)
    with opened_store(home, redactor) as ingest:
        run_side_by_side(
            [
                _SubmissionPass(
                    account, ingest, get_password, StatusBoard(ingest, account.name, on_progress), outbox_ids
                )
                for account in accounts
            ]
        )


class _SubmissionPass(AccountPass):
    def __init__(
        self,
        account: Account,
        ingest: Ingest,
        password: Callable[[Account], Secret],
        board: StatusBoard,
        only: Collection[int] | None,
    ) -> None:
        super().__init__(account)
        self._ingest = ingest
        self._board = board
        self._only = only
        self._journal = Journal(ingest.database)
        self._submitter, self._smtp = make_submitter(account, ingest, password, board)
        self._imap = Connector(account, password, imap.connect)

    def _abort_connections(self) -> None:
        self._smtp.abort_all()
        self._imap.abort_all()

    def _run(self) -> None:
        submit_account(self._submitter, self._ingest, self._stopped.is_set, self._only)
        if self._submitter.filed:
            self._upload()

    def _upload(self) -> None:
        """Copies into Sent now, if that is possible; else the next sync does it."""
        if self._account.protocol is Protocol.POP3:
            LocalSync(self._ingest.database, self._journal, self._account.name, self._stopped.is_set).settle()
            return
        try:
            session = self._imap.connect(self._stopped.is_set)
            try:
                ImapSync(
                    session, self._ingest, self._journal, self._account, self._board.progress, self._stopped.is_set
                ).replay()
            finally:
                self._imap.close(session)
        except TermmailError as error:
            _log.info("%s %s", error.sentence, error.detail)


def submit_account(
    submitter: Submitter[SmtpSession],
    ingest: Ingest,
    should_stop: Callable[[], bool],
    only: Collection[int] | None = None,
) -> None:
    """Submit an account's mail once. What keeps it from being sent is written in its items, and in the log. Raises StorageFailed."""
    if ingest.work_offline():
        submitter.hold(OFFLINE)
        return
    try:
        submitter.run(should_stop, only=only)
    except StorageFailed:
        raise
    except TermmailError as error:
        _log.warning("%s %s", error.sentence, error.detail)


def _follow_engine(home: Home, accounts: Sequence[Account], outbox_ids: Sequence[int] | None) -> bool:
    """Until the engine that runs is done with the items; False where it is gone before."""
    wake_engine(home)
    queries = Queries(home)
    try:
        names = {account.name for account in accounts}
        waiting = set(outbox_ids or ()) if outbox_ids is not None else _due(queries, names)
        began = time.monotonic()
        for _ in while_engine_runs(home):
            waiting = {one for one in waiting if _is_under_way(queries, one, began)}
            if not waiting:
                return True
        return False
    finally:
        queries.close()


def _due(queries: Queries, names: set[str]) -> set[int]:
    now = time.time()
    return {
        item.id
        for item in queries.outbox()
        if item.account in names and item.state is OutboxState.QUEUED and max(item.not_before, item.next_at) <= now
    }


def _is_under_way(queries: Queries, outbox_id: int, began: float) -> bool:
    item = queries.outbox_item(outbox_id)
    if item is None:
        return False
    if item.state is OutboxState.SENDING:
        return True
    if item.state is not OutboxState.QUEUED or max(item.not_before, item.next_at) > time.time():
        return False
    # With a reason and no time it waits for the user.
    waits_for_user = bool(item.sentence) and not item.next_at
    return not waits_for_user and time.monotonic() - began < _PATIENCE_SECONDS
