"""One full pass for `termmail sync`: in this process, or asked of the engine that runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec

from termmail.accounts import credentials
from termmail.engine.account_pass import AccountPass, kept_from_log, run_side_by_side, while_engine_runs
from termmail.engine.connector import Connector
from termmail.engine.lock import EngineLock
from termmail.engine.opening import opened_store
from termmail.engine.status import StatusBoard, state_after
from termmail.engine.submit_once import make_submitter, submit_account
from termmail.model.account import Account, Protocol
from termmail.model.errors import (
    Cancelled,
    InsecureConnection,
    Retry,
    Scope,
    SignInRefused,
    StorageFailed,
    TermmailError,
)
from termmail.model.home import Home
from termmail.model.secret import Secret
from termmail.model.status import AccountStatus, ConnectionState, RequestState
from termmail.protocols import imap, pop3
from termmail.protocols.redact import Redactor
from termmail.store.ingest import Ingest
from termmail.store.intents import Intents
from termmail.store.journal import Journal
from termmail.store.queries import Queries
from termmail.sync.imap import ImapSync
from termmail.sync.local import LocalSync
from termmail.sync.pop3 import Pop3Sync

_OFFLINE = "termmail works offline. Switch the network on in termmail, then run `termmail sync` again."


class AccountReport(msgspec.Struct, frozen=True):
    """How the pass over one account ended. `error` is None where all went well.

    `new_messages`, `new_bodies` and `carried_out`, the edits that the server now has, are counted here only; with an engine doing
    the work they are None. `pending` is how many edits still wait for the server.
    """

    account: str
    error: TermmailError | None
    new_messages: int | None
    new_bodies: int | None
    pending: int
    carried_out: int | None


class SyncReport(msgspec.Struct, frozen=True):
    """How the passes ended; `by_engine` says that an engine that runs already did them."""

    accounts: tuple[AccountReport, ...]
    by_engine: bool


def sync_once(
    home: Home,
    accounts: Sequence[Account],
    *,
    mailbox: str | None = None,
    on_progress: Callable[[AccountStatus], None] | None = None,
    password: Callable[[Account], Secret] = credentials.password,
    all_accounts: Sequence[Account] | None = None,
) -> SyncReport:
    """Submit, carry out, fetch all that the policy wants for these accounts, side by side; returns when all is done.

    `mailbox` is a name, or a role such as "trash". `all_accounts` are those of the config file (default: `accounts`). `password`
    is called once for each account, in a thread. `on_progress` is told of an account's state whenever it changes, from any
    thread. Ends early with KeyboardInterrupt. Raises StorageFailed, StoreTooNew; what goes wrong with an account is in the report.
    """
    lock = EngineLock(home)
    listen = on_progress or (lambda status: None)
    if lock.acquire():
        try:
            return _sync_here(home, accounts, mailbox, listen, password, all_accounts or accounts)
        finally:
            lock.release()
    return _ask_engine(home, accounts, mailbox, listen, password, all_accounts or accounts)


def _sync_here(
    home: Home,
    accounts: Sequence[Account],
    mailbox: str | None,
    listen: Callable[[AccountStatus], None],
    password: Callable[[Account], Secret],
    all_accounts: Sequence[Account],
) -> SyncReport:
    redactor = Redactor()
    get_password = kept_from_log(password, redactor)
    with opened_store(home, redactor, all_accounts) as ingest:
        passes = [_SyncPass(home, ingest, account, mailbox, listen, get_password) for account in accounts]
        if ingest.work_offline():
            for one in passes:
                one.error = TermmailError(_OFFLINE)
        else:
            run_side_by_side(passes)
    return SyncReport(tuple(one.report for one in passes), by_engine=False)


class _SyncPass(AccountPass):
    def __init__(
        self,
        home: Home,
        ingest: Ingest,
        account: Account,
        mailbox: str | None,
        listen: Callable[[AccountStatus], None],
        password: Callable[[Account], Secret],
    ) -> None:
        super().__init__(account)
        self._home = home
        self._ingest = ingest
        self._journal = Journal(ingest.database)
        self._mailbox = mailbox
        self._board = StatusBoard(ingest, account.name, listen)
        self._new_messages = 0
        self._new_bodies = 0
        self._pending = 0
        self._carried_out = 0
        self.error: TermmailError | None = None
        self._imap = Connector(account, password, imap.connect)
        self._pop3 = Connector(account, password, pop3.connect)
        self._submitter, self._smtp = make_submitter(account, ingest, password, self._board)

    def _abort_connections(self) -> None:
        for connector in (self._imap, self._pop3, self._smtp):
            connector.abort_all()

    @property
    def report(self) -> AccountReport:
        return AccountReport(
            self._account.name, self.error, self._new_messages, self._new_bodies, self._pending, self._carried_out
        )

    def _run(self) -> None:
        try:
            done_before = self._journal.done_count(self._account.name)
            try:
                self._pass()
            except Cancelled:
                self._board.say(ConnectionState.UNKNOWN)
            except TermmailError as error:
                self.error = error
                self._board.say(state_after(error), error.sentence)
            self._pending = self._journal.pending_count(self._account.name)
            if self._account.protocol is Protocol.IMAP:
                # Of a POP3 account edits are made here, in the Maildir.
                self._carried_out = self._journal.done_count(self._account.name) - done_before
        except StorageFailed as error:
            self.error = error

    def _pass(self) -> None:
        self._board.say(ConnectionState.CONNECTING)
        submit_account(self._submitter, self._ingest, self._stopped.is_set)
        if self._account.protocol is Protocol.POP3:
            self._pop3_pass()
        else:
            self._imap_pass()
        self._board.say(ConnectionState.UNKNOWN, synced_at=time.time())

    def _imap_pass(self) -> None:
        session = self._imap.connect(self._stopped.is_set)
        sync = ImapSync(session, self._ingest, self._journal, self._account, self._board.progress, self._stopped.is_set)
        try:
            self._board.say(ConnectionState.ONLINE, plain=session.plain)
            only = None
            if self._mailbox is not None:
                sync.replay()
                sync.list_mailboxes()
                only = self._mailbox_id(self._mailbox)
            sync.run(mailbox_id=only)
            # What somebody wanted to read while there was no network, whatever the policy.
            for request in self._ingest.waiting_bodies(self._account.name):
                sentence = "" if request.placement_id is None else sync.fetch_body(request.placement_id)
                state = RequestState.FAILED if sentence else RequestState.DONE
                self._ingest.finish_request(request.id, state, sentence)
            sync.bodies(only)
            self._ingest.expire_kept_bodies()
        finally:
            self._new_messages, self._new_bodies = sync.new_messages, sync.new_bodies
            self._imap.close(session)

    def _pop3_pass(self) -> None:
        # What needs no network is done first, whatever becomes of the rest.
        local = LocalSync(self._ingest.database, self._journal, self._account.name, self._stopped.is_set)
        local.run(thorough=True)
        if self._mailbox is not None:
            self._mailbox_id(self._mailbox)
        session = self._pop3.connect(self._stopped.is_set)
        sync = Pop3Sync(session, self._ingest, local, self._account, self._board.progress, self._stopped.is_set)
        try:
            self._board.say(ConnectionState.ONLINE, plain=session.plain)
            sync.run()
        finally:
            self._new_messages = self._new_bodies = sync.new_messages
            self._pop3.close(session)

    def _mailbox_id(self, name: str) -> int:
        """The id of the mailbox that was asked for. Raises TermmailError where the account has none of this name."""
        queries = Queries(self._home)
        try:
            found = queries.find_mailbox(self._account.name, name)
        finally:
            queries.close()
        if found is None:
            raise _no_mailbox(self._account.name, name)
        return found.id


def _no_mailbox(account: str, name: str) -> TermmailError:
    return TermmailError(
        f"{account} has no folder named {name}. `termmail mailboxes -a {account}` shows those there are.",
        scope=Scope.MAILBOX,
        retry=Retry.NEVER,
    )


def _ask_engine(
    home: Home,
    accounts: Sequence[Account],
    mailbox: str | None,
    listen: Callable[[AccountStatus], None],
    password: Callable[[Account], Secret],
    all_accounts: Sequence[Account],
) -> SyncReport:
    """Write request rows and follow them; where the engine ends meanwhile, go on here."""
    queries = Queries(home)
    intents = Intents(home)
    try:
        asked: dict[str, int] = {}
        errors: dict[str, TermmailError] = {}
        for account in accounts:
            mailbox_id = None
            if mailbox is not None:
                found = queries.find_mailbox(account.name, mailbox)
                if found is None:
                    errors[account.name] = _no_mailbox(account.name, mailbox)
                    continue
                mailbox_id = found.id
            (asked[account.name],) = intents.request_sync(account.name, mailbox_id)
        if not _follow_engine(home, queries, asked, errors, listen):
            return sync_once(
                home, accounts, mailbox=mailbox, on_progress=listen, password=password, all_accounts=all_accounts
            )
        for account in accounts:
            # The engine's words are for everybody.
            if isinstance(error := errors.get(account.name), SignInRefused):
                error.command = credentials.advice_when_refused(account).command
        pending = {status.account: status.pending_operations for status in queries.accounts()}
        reports = [
            AccountReport(account.name, errors.get(account.name), None, None, pending.get(account.name, 0), None)
            for account in accounts
        ]
        return SyncReport(tuple(reports), by_engine=True)
    finally:
        intents.close()
        queries.close()


def _follow_engine(
    home: Home,
    queries: Queries,
    asked: dict[str, int],
    errors: dict[str, TermmailError],
    listen: Callable[[AccountStatus], None],
) -> bool:
    """Until all requests are answered; False where the engine is gone before."""
    told: dict[str, AccountStatus] = {}
    waiting = dict(asked)
    for _ in while_engine_runs(home):
        for name, request_id in list(waiting.items()):
            status = queries.account_status(name)
            if status is not None and told.get(name) != status:
                told[name] = status
                listen(status)
            request = queries.request(request_id)
            if request is None or request.state in (RequestState.DONE, RequestState.FAILED):
                del waiting[name]
                if request is not None and request.state is RequestState.FAILED:
                    errors[name] = _error_of(request.sentence, status)
        if not waiting:
            return True
    return False


def _error_of(sentence: str, status: AccountStatus | None) -> TermmailError:
    """The engine's sentence with the kind of trouble that the account's state tells."""
    match status.state if status is not None else ConnectionState.UNKNOWN:
        case ConnectionState.SIGN_IN:
            return SignInRefused(sentence)
        case ConnectionState.INSECURE:
            return InsecureConnection(sentence)
    return TermmailError(sentence)
