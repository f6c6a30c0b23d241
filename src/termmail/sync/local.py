"""The journal of a POP3 account carried out on its Maildirs, and what other programs did there taken over."""

from __future__ import annotations

from collections.abc import Callable

from termmail.model.errors import Cancelled
from termmail.model.operation import (
    Copy,
    CreateMailbox,
    DeleteMailbox,
    Expunge,
    FlagChange,
    Move,
    Operation,
    RenameMailbox,
    Subscribe,
    Upload,
)
from termmail.store.database import Database
from termmail.store.journal import Journal
from termmail.store.local_mail import UIDVALIDITY, LocalMail
from termmail.store.local_scan import LocalScan, ScanReport
from termmail.store.maildrop import Maildrop

_DUE_AT_ONCE = 500
_END_OF_TIME = 1e18


class LocalSync:
    """Brings an account's Maildirs and its rows together; needs no network. Used by one thread.

    Every method may raise StorageFailed, or Cancelled where `should_stop` says so; what is done is done.
    """

    def __init__(self, database: Database, journal: Journal, account: str, should_stop: Callable[[], bool]) -> None:
        self.mail = LocalMail(database, account)
        self.maildrop = Maildrop(database, account)
        self._scan = LocalScan(database, account, self.mail, self.maildrop)
        self._journal = journal
        self._account = account
        self._should_stop = should_stop
        self._prepared = False

    def prepare(self) -> None:
        """Before anything else: the usual mailboxes are there."""
        if not self._prepared:
            self.mail.prepare()
            self._prepared = True

    def run(self, *, thorough: bool = False) -> ScanReport:
        """Carry out what the user did, then take over what other programs did."""
        self.prepare()
        self.settle()
        report = self._scan.run(thorough=thorough)
        while self.mail.follow_files():
            self._check_stop()
        return report

    def settle(self) -> bool:
        """Carry out what the journal holds; returns whether there was anything."""
        self.prepare()
        anything = False
        while due := self._journal.due(self._account, _END_OF_TIME, _DUE_AT_ONCE):
            anything = True
            self._check_stop()
            begun = self._journal.begin([operation.id for operation in due])
            due = [operation for operation in due if operation.id in begun]
            # Durable before any file goes (L3): after a crash the server's copy must not be taken for one to fetch again.
            self.maildrop.note_deleted(
                [one.placement_id for one in due if isinstance(one.payload, Expunge) and one.placement_id is not None]
            )
            for operation in due:
                self._carry_out(operation)
            if any(
                isinstance(one.payload, FlagChange) and (one.payload.add.keywords or one.payload.remove.keywords)
                for one in due
            ):
                self.mail.write_keywords()
        while self.mail.follow_files():
            self._check_stop()
        return anything

    def _carry_out(self, operation: Operation) -> None:
        journal = self._journal
        match operation.payload:
            case FlagChange():
                journal.finish_flags([operation])
            case Move(mailbox_id=mailbox_id):
                journal.finish_move(operation, self.mail.next_uid(mailbox_id), UIDVALIDITY)
            case Copy(source_id=source_id, mailbox_id=mailbox_id):
                assert operation.placement_id is not None
                name = self.mail.link_file(source_id, operation.placement_id, mailbox_id)
                if name is None:
                    journal.fail([operation.id], "The message to copy is gone.")
                    return
                self.mail.place_copy(operation.placement_id, mailbox_id, name)
                journal.finish_copy(operation, self.mail.next_uid(mailbox_id), UIDVALIDITY)
            case Upload(mailbox_id=mailbox_id):
                assert operation.placement_id is not None
                if not self.mail.take_upload(operation.placement_id, mailbox_id):
                    journal.end_upload_without_file(operation)
                    return
                journal.finish_upload(operation, self.mail.next_uid(mailbox_id), UIDVALIDITY)
                self.mail.forget_uploads()
            case Expunge():
                journal.finish_expunge(operation)
            case CreateMailbox(mailbox_id=mailbox_id):
                journal.finish_created(operation, self.mail.adopt_mailbox(mailbox_id))
                self.mail.follow_names()
            case RenameMailbox(new_name=new_name):
                journal.finish_renamed(operation, new_name.encode("utf-8", "replace"))
                self.mail.follow_names()
            case DeleteMailbox(mailbox_id=mailbox_id):
                left = self.mail.empty_into_trash(mailbox_id)
                while self.mail.follow_files():
                    self._check_stop()
                self.maildrop.note_deleted(left)
                journal.finish_deleted(operation)
            case Subscribe():
                journal.finish_subscribed(operation)

    def _check_stop(self) -> None:
        if self._should_stop():
            raise Cancelled("Stopped.")
