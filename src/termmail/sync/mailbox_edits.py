"""Carries out journalled changes of mailboxes: create, rename, delete, subscribe."""

from __future__ import annotations

import time

from termmail.model.errors import ServerRefused, UnsafeArgument
from termmail.model.local import MailboxState, OperationSource
from termmail.model.operation import CreateMailbox, DeleteMailbox, Operation, RenameMailbox, Subscribe
from termmail.sync.work import Work

_EXISTS = frozenset({"ALREADYEXISTS"})
_MISSING = frozenset({"NONEXISTENT", "TRYCREATE"})


class MailboxEdits:
    """Each is at-least-once: where the server says NO, or an attempt was made before, LIST tells what is already as wished."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def run(self, operation: Operation, source: OperationSource) -> None:
        """Carry out one operation, or write down why the server will not."""
        state = self._work.ingest.mailbox_state(source.mailbox_id)
        if state is None:
            self._work.journal.drop([operation.id])
            return
        if not self._work.journal.begin([operation.id]):
            return
        try:
            match operation.payload:
                case CreateMailbox():
                    self._create(operation, state)
                case RenameMailbox(new_name=new_name):
                    self._rename(operation, state, new_name)
                case DeleteMailbox():
                    self._delete(operation, state)
                case Subscribe(subscribed=subscribed):
                    self._subscribe(operation, state, subscribed)
        except (ServerRefused, UnsafeArgument) as error:
            self._work.journal.fail([operation.id], error.sentence)

    def _there(self, wire_name: bytes) -> bool:
        listing = self._work.session.list_mailboxes(with_status=False)
        return any(remote.wire_name == wire_name for remote in listing.mailboxes)

    def _create(self, operation: Operation, state: MailboxState) -> None:
        session = self._work.session
        wire_name = state.wire_name or session.encode_name(state.name)
        if operation.attempts == 0 or not self._there(wire_name):
            try:
                session.create(wire_name)
            except ServerRefused as error:
                if error.code not in _EXISTS and not self._there(wire_name):
                    raise
            session.subscribe(wire_name)
        self._work.journal.finish_created(operation, wire_name)

    def _rename(self, operation: Operation, state: MailboxState, new_name: str) -> None:
        assert state.wire_name is not None
        session = self._work.session
        wire_name = session.encode_name(new_name)
        self._work.leave(state.wire_name)
        if operation.attempts == 0 or self._there(state.wire_name) or not self._there(wire_name):
            session.rename(state.wire_name, wire_name)
            if state.subscribed:
                # The server may keep the subscription under the old name (RFC 9051 §6.3.6).
                session.subscribe(wire_name)
                session.unsubscribe(state.wire_name)
        self._work.journal.finish_renamed(operation, wire_name)

    def _delete(self, operation: Operation, state: MailboxState) -> None:
        assert state.wire_name is not None
        session = self._work.session
        self._work.leave(state.wire_name)
        try:
            session.delete(state.wire_name)
        except ServerRefused as error:
            if error.code not in _MISSING and self._there(state.wire_name):
                raise
        if state.subscribed:
            session.unsubscribe(state.wire_name)
        self._work.journal.finish_deleted(operation)

    def _subscribe(self, operation: Operation, state: MailboxState, subscribed: bool) -> None:
        if state.wire_name is None:
            self._work.journal.retry([operation.id], "The folder is not on the server yet.", time.time() + 60)
            return
        change = self._work.session.subscribe if subscribed else self._work.session.unsubscribe
        change(state.wire_name)
        self._work.journal.finish_subscribed(operation)
