"""Puts messages that were made here, drafts and copies of sent mail, into their mailbox on the server: once, never given up (S10)."""

from __future__ import annotations

import time

from termmail.model.errors import ServerRefused
from termmail.model.local import MailboxState, UploadSource
from termmail.model.mailbox import Role
from termmail.model.operation import Operation, Upload
from termmail.sync.work import MailboxRenumbered, Work

_PAUSE = 3600.0


class Uploads:
    """Carries out the journal's Upload rows of one IMAP account."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def run(self, operation: Operation) -> None:
        """One upload. Raises what ends the connection; what the server refuses is said, and tried again later."""
        journal = self._work.journal
        payload = operation.payload
        assert isinstance(payload, Upload)
        target = self._work.ingest.mailbox_state(payload.mailbox_id)
        if target is None:
            journal.retarget_upload(operation)
            return
        source = journal.upload_source(operation)
        path = journal.begin_upload(operation)
        if source is None or path is None:
            journal.end_upload_without_file(operation)
            return
        try:
            # A server may have filed the copy of what was sent itself; and an answer may have been lost.
            found = self._find(target, source) if operation.attempts or target.role is Role.SENT else None
            if found is None:
                found = self._append(target, source, path.read_bytes())
        except ServerRefused as error:
            self._refused(operation, target, error)
            return
        uidvalidity, uid = found
        journal.finish_upload(operation, uid, uidvalidity)
        self._work.ingest.place_uploads(self._work.account.name)

    def _append(self, target: MailboxState, source: UploadSource, raw: bytes) -> tuple[int | None, int | None]:
        """(UIDVALIDITY, UID) as far as the server tells."""
        session = self._work.session
        assert target.wire_name is not None
        try:
            told = session.append(target.wire_name, raw, source.flags, source.received_at)
        except ServerRefused as error:
            if error.code != "TRYCREATE":
                raise
            session.create(target.wire_name)
            told = session.append(target.wire_name, raw, source.flags, source.received_at)
        if told is not None:
            return told
        return self._find(target, source) or (None, None)

    def _find(self, target: MailboxState, source: UploadSource) -> tuple[int | None, int | None] | None:
        """The newest message of the target with the Message-ID, which no other version has; None where there is none."""
        work = self._work
        if not source.message_id_header:
            return None
        try:
            selected = work.select(target) if target.uidvalidity is None else work.enter(target)
        except MailboxRenumbered:
            selected = work.select(target)
        except ServerRefused:
            # Not there yet, or it can't be opened: APPEND will say.
            return None
        uids = work.session.search_message_id(source.message_id_header)
        return (selected.uidvalidity, max(uids)) if uids else None

    def _refused(self, operation: Operation, target: MailboxState, error: ServerRefused) -> None:
        name = self._work.account.name
        sentence = (
            f"The server does not take a message into {target.name}: {error.sentence} It is kept here and tried again."
        )
        self._work.ingest.add_problem(
            name, sentence, detail=error.detail, mailbox=target.name, placement_id=operation.placement_id
        )
        self._work.journal.retry([operation.id], sentence, time.time() + _PAUSE)
