"""Messages and placements as the server lists them, taken over into base columns."""

from __future__ import annotations

import sqlite3
import time
from array import array
from collections.abc import Iterable, Sequence
from operator import itemgetter

from termmail.model.flags import FlagSet
from termmail.model.message import Envelope
from termmail.model.operation import Move
from termmail.model.remote import FetchFault, RemoteFlags, RemoteHeader, UidRange
from termmail.store.codec import column_text, decode_payload, encode_payload, flag_set, json_ids, keywords_text
from termmail.store.database import CHANGED_AT_ONCE, LET_OTHERS_WRITE, now_changed
from termmail.store.doomed import sweep
from termmail.store.effective import recompute, remove_placements, want_link
from termmail.store.mailboxes import REMOVED_AT_ONCE, MailboxIngest
from termmail.store.placements import NewPlacement, envelope_columns, insert_messages, insert_placements

_BASE_FLAGS = (
    "UPDATE placement SET base_flags = ?1, base_keywords = ?2, changed = ?3,"
    " flags = CASE WHEN pending = 0 THEN ?1 ELSE flags END,"
    " keywords = CASE WHEN pending = 0 AND local_keywords = '' THEN ?2 ELSE keywords END,"
    " file_stale = file_stale OR file_name IS NOT NULL WHERE id = ?4"
)

_UNLISTED = "uidnext = NULL, highestmodseq = NULL, floor = NULL, complete = 0, status = NULL"
_ALL_UIDS = UidRange(1, (1 << 32) - 1)
_SPARSE = 4


class MessageIngest(MailboxIngest):
    """The part of `Ingest` that is about message listings."""

    _adopting: dict[int, int]
    """The clock's number when the listing of a mailbox began, which what is to be adopted in it is older than."""

    def begin_uidvalidity(self, mailbox_id: int, uidvalidity: int) -> bool:
        """Compare the server's UIDVALIDITY with the one known; True where it differs from an earlier one (S3).

        The placements then lose their UIDs and become candidates, which `add_headers` re-adopts by what they are.
        """
        row = self._database.one("SELECT uidvalidity FROM mailbox WHERE id = ?", (mailbox_id,))
        with self._database.read() as reader:
            self._adopting[mailbox_id] = now_changed(reader)
        if row is None or row[0] == uidvalidity:
            return False
        renumbered = row[0] is not None
        if renumbered:
            self._forget_uids(mailbox_id)
        with self._database.write() as connection:
            if renumbered:
                self._forget_copied(connection, mailbox_id)
            connection.execute(
                f"UPDATE mailbox SET uidvalidity = ?, {_UNLISTED} WHERE id = ?", (uidvalidity, mailbox_id)
            )
            self._adopting[mailbox_id] = now_changed(connection)
        self.write_identities([mailbox_id])
        return renumbered

    def _forget_uids(self, mailbox_id: int) -> None:
        """In short transactions. The old UIDVALIDITY stays until none is left: if the process ends in between this begins again, and if
        the server comes back to the old one all is listed anew."""
        more = True
        while more:
            with self._database.write() as connection:
                forgotten = connection.execute(
                    "UPDATE placement SET uid = NULL WHERE id IN"
                    " (SELECT id FROM placement WHERE base_mailbox_id = ? AND uid IS NOT NULL LIMIT ?)",
                    (mailbox_id, CHANGED_AT_ONCE),
                ).rowcount
                connection.execute(
                    f"UPDATE mailbox SET candidates = candidates + ?, {_UNLISTED} WHERE id = ?", (forgotten, mailbox_id)
                )
                more = forgotten == CHANGED_AT_ONCE
            time.sleep(LET_OTHERS_WRITE if more else 0)

    @staticmethod
    def _forget_copied(connection: sqlite3.Connection, mailbox_id: int) -> None:
        """Halves of moves into a mailbox that was numbered anew: the copy is there, but its UID is another."""
        for operation_id, text in connection.execute(
            "SELECT id, payload FROM operation WHERE mailbox_id = ? AND placement_id IS NOT NULL AND state = 'running'"
            " AND state IN ('pending', 'running')",
            (mailbox_id,),
        ).fetchall():
            payload = decode_payload(text)
            if isinstance(payload, Move) and payload.copied_uid is not None:
                connection.execute(
                    "UPDATE operation SET payload = ? WHERE id = ?",
                    (encode_payload(Move(mailbox_id, -1)), operation_id),
                )

    def add_headers(self, mailbox_id: int, headers: Sequence[tuple[RemoteHeader, Envelope]]) -> int:
        """Take over messages of a listing in one transaction; returns how many were new.

        A UID already known gets its flags updated (and its header, where it was in quarantine). A candidate, moved or copied here
        without a UID told or left by another UIDVALIDITY, is adopted.
        """
        if not headers:
            return 0
        touched: list[int] = []
        fresh: list[tuple[RemoteHeader, Envelope]] = []
        shared: list[tuple[int, RemoteHeader]] = []
        with self._database.write(durable=False) as connection:
            row = connection.execute(
                "SELECT account_id, candidates FROM mailbox WHERE id = ?", (mailbox_id,)
            ).fetchone()
            if row is None:
                return 0
            owner_id, candidates = row
            known = self._listed_before(connection, mailbox_id, [remote.uid for remote, _ in headers])
            for remote, envelope in headers:
                if remote.uid in known:
                    here = known[remote.uid]
                    if here is not None:
                        self._refresh(connection, here, remote, envelope)
                        touched.append(here[0])
                    continue
                # The same UID twice in one batch is the same message.
                known[remote.uid] = None
                if candidates:
                    adopted = self._adopt(connection, owner_id, mailbox_id, remote, envelope)
                    if adopted is not None:
                        touched.append(adopted)
                        continue
                message_id = self._shared_message(connection, owner_id, remote)
                if message_id is None:
                    fresh.append((remote, envelope))
                else:
                    shared.append((message_id, remote))
            message_ids = insert_messages(
                connection, owner_id, [(envelope, remote.size, remote.email_id) for remote, envelope in fresh]
            )
            pairs = [*zip(message_ids, (remote for remote, _ in fresh), strict=True), *shared]
            placement_ids = insert_placements(
                connection,
                [
                    NewPlacement(message_id, mailbox_id, mailbox_id, remote.uid, remote.flags, remote.received_at)
                    for message_id, remote in pairs
                ],
            )
            kept = connection.execute("SELECT 1 FROM kept_body WHERE account_id = ? LIMIT 1", (owner_id,)).fetchone()
            if kept is not None:
                for (remote, envelope), message_id, placement_id in zip(
                    fresh, message_ids, placement_ids, strict=False
                ):
                    self._take_kept(connection, owner_id, message_id, placement_id, remote, envelope)
            want_link(connection, placement_ids[len(fresh) :])
            if touched:
                recompute(connection, touched)
            if candidates:
                want_link(connection, touched)
                count_candidates(connection, mailbox_id)
        return len(pairs)

    @staticmethod
    def _listed_before(
        connection: sqlite3.Connection, mailbox_id: int, uids: Sequence[int]
    ) -> dict[int, tuple[int, int, str] | None]:
        """(placement id, message id, problem) of those of these UIDs that are here, and perhaps of some between them."""
        query = (
            "SELECT p.uid, p.id, p.message_id, m.problem FROM placement p JOIN message m ON m.id = p.message_id"
            " WHERE p.base_mailbox_id = ? AND p.uid"
        )
        first, last = min(uids), max(uids)
        if last - first < _SPARSE * len(uids):
            # One look where none of them is here, as in a first sync, instead of one for each.
            rows = connection.execute(f"{query} BETWEEN ? AND ?", (mailbox_id, first, last))
        else:
            rows = connection.execute(f"{query} IN (SELECT value FROM json_each(?))", (mailbox_id, json_ids(uids)))
        return {uid: (placement_id, message_id, problem) for uid, placement_id, message_id, problem in rows}

    def _refresh(
        self, connection: sqlite3.Connection, known: tuple[int, int, str], remote: RemoteHeader, envelope: Envelope
    ) -> None:
        placement_id, message_id, problem = known
        connection.execute(
            "UPDATE placement SET base_flags = ?, base_keywords = ?, received_at = ? WHERE id = ?",
            (int(remote.flags.system), keywords_text(remote.flags.keywords), remote.received_at, placement_id),
        )
        if problem:
            connection.execute(
                "UPDATE message SET message_id_header = ?, subject = ?, sender = ?, envelope = ?, sent_at = ?, size = ?, email_id = ?,"
                " has_attachments = ?, problem = '' WHERE id = ?",
                (*envelope_columns(envelope, remote.size, remote.email_id), message_id),
            )

    def _adopt(
        self, connection: sqlite3.Connection, owner_id: int, mailbox_id: int, remote: RemoteHeader, envelope: Envelope
    ) -> int | None:
        """Give a candidate of the mailbox the UID; the id of the placement, None where none fits."""
        row = None
        if remote.email_id:
            row = connection.execute(
                "SELECT p.id FROM message m JOIN placement p ON p.message_id = m.id WHERE m.email_id = ? AND m.account_id = ?"
                " AND p.base_mailbox_id = ? AND p.uid IS NULL LIMIT 1",
                (remote.email_id, owner_id, mailbox_id),
            ).fetchone()
        if row is None:
            # The same Message-ID may lie in a mailbox twice: the one with the same arrival comes first.
            row = connection.execute(
                "SELECT p.id, p.received_at = ?5 AS same FROM message m JOIN placement p ON p.message_id = m.id"
                " WHERE m.message_id_header = ?1 AND m.account_id = ?2 AND m.size = ?3 AND p.base_mailbox_id = ?4 AND p.uid IS NULL"
                " AND (m.message_id_header <> '' OR p.received_at = ?5) ORDER BY same DESC, p.id LIMIT 1",
                (column_text(envelope.message_id_header), owner_id, remote.size, mailbox_id, remote.received_at),
            ).fetchone()
        if row is None:
            return None
        connection.execute(
            "UPDATE placement SET uid = ?, base_flags = ?, base_keywords = ?, received_at = ?,"
            " file_stale = file_name IS NOT NULL WHERE id = ?",
            (
                remote.uid, int(remote.flags.system), keywords_text(remote.flags.keywords), remote.received_at, row[0],
            ),
        )  # fmt: skip
        return int(row[0])

    @staticmethod
    def _shared_message(connection: sqlite3.Connection, owner_id: int, remote: RemoteHeader) -> int | None:
        """The message that the server itself says is the same one (X-GM-MSGID, EMAILID)."""
        if not remote.email_id:
            return None
        row = connection.execute(
            "SELECT id FROM message WHERE email_id = ? AND account_id = ? LIMIT 1", (remote.email_id, owner_id)
        ).fetchone()
        return None if row is None else int(row[0])

    @staticmethod
    def _take_kept(
        connection: sqlite3.Connection,
        owner_id: int,
        message_id: int,
        placement_id: int,
        remote: RemoteHeader,
        envelope: Envelope,
    ) -> None:
        """A body that was kept when its message vanished serves the message that came back (S6)."""
        if not envelope.message_id_header:
            return
        for path, sha256, raw_size in connection.execute(
            "SELECT path, sha256, raw_size FROM kept_body WHERE message_id_header = ? AND size = ? AND account_id = ?",
            (column_text(envelope.message_id_header), remote.size, owner_id),
        ).fetchall():
            _, directory, _, file_name = path.split("/")
            # Where it lay, as long as there is such a mailbox; the file follows the placement later.
            file_mailbox = connection.execute(
                "SELECT id FROM mailbox WHERE account_id = ? AND lower(directory) = lower(?)", (owner_id, directory)
            ).fetchone()
            if file_mailbox is not None:
                connection.execute("DELETE FROM kept_body WHERE path = ?", (path,))
                connection.execute(
                    "UPDATE placement SET file_mailbox_id = ?, file_name = ?, file_stale = 1 WHERE id = ?",
                    (file_mailbox[0], file_name, placement_id),
                )
                connection.execute(
                    "UPDATE message SET body_state = 'present', sha256 = ?, raw_size = ? WHERE id = ?",
                    (sha256, raw_size, message_id),
                )
                return

    def add_fault(self, mailbox_id: int, fault: FetchFault) -> None:
        """A visible row for a message that could not be taken (P3); nothing where not even its UID is known."""
        if fault.uid is None:
            return
        with self._database.write() as connection:
            row = connection.execute("SELECT account_id FROM mailbox WHERE id = ?", (mailbox_id,)).fetchone()
            known = connection.execute(
                "SELECT message_id FROM placement WHERE base_mailbox_id = ? AND uid = ?", (mailbox_id, fault.uid)
            ).fetchone()
            if row is None or known is not None:
                return
            (message_id,) = insert_messages(connection, row[0], [(Envelope(), 0, "")])
            connection.execute("UPDATE message SET problem = ? WHERE id = ?", (column_text(fault.sentence), message_id))
            insert_placements(
                connection,
                [NewPlacement(message_id, mailbox_id, mailbox_id, fault.uid, FlagSet(), int(time.time()))],
            )

    def end_adoption(self, mailbox_id: int) -> int:
        """After a complete listing: candidates for whom no message came are gone; returns how many.

        Those that became candidates only after `begin_uidvalidity` wait for the next listing. What waited for the others is cancelled,
        with a problem that names how many (S3).
        """
        since = self._adopting.get(mailbox_id, 1 << 62)
        gone = lost = 0
        more = True
        while more:
            with self._database.write() as connection:
                rows = connection.execute(
                    "SELECT id, pending FROM placement WHERE base_mailbox_id = ? AND uid IS NULL AND changed <= ? LIMIT ?",
                    (mailbox_id, since, REMOVED_AT_ONCE),
                ).fetchall()
                lost += sum(row[1] for row in rows)
                gone += len(remove_placements(connection, [row[0] for row in rows]))
                count_candidates(connection, mailbox_id)
                more = len(rows) == REMOVED_AT_ONCE
                if lost and not more:
                    self._tell_lost(connection, mailbox_id, lost)
            time.sleep(LET_OTHERS_WRITE if more else 0)
        sweep(self._database)
        return gone

    @staticmethod
    def _tell_lost(connection: sqlite3.Connection, mailbox_id: int, lost: int) -> None:
        changes = "1 change" if lost == 1 else f"{lost} changes"
        connection.execute(
            "INSERT INTO problem (at, account, mailbox, sentence, detail) SELECT ?, a.name, b.name, ? || b.name || ?, ''"
            " FROM mailbox b JOIN account a ON a.id = b.account_id WHERE b.id = ?",
            (
                time.time(),
                f"{changes} in ",
                " could not be carried out: the messages are no longer there.",
                mailbox_id,
            ),
        )

    def update_flags(self, mailbox_id: int, flags: Sequence[RemoteFlags]) -> list[int]:
        """What the server says of flags, into base; returns the UIDs that are not known here."""
        unknown: list[int] = []
        touched: list[int] = []
        with self._database.write(durable=False) as connection:
            changed = now_changed(connection)
            for remote in flags:
                row = connection.execute(
                    "SELECT id, base_flags, base_keywords, pending, local_keywords FROM placement"
                    " WHERE base_mailbox_id = ? AND uid = ?",
                    (mailbox_id, remote.uid),
                ).fetchone()
                if row is None:
                    unknown.append(remote.uid)
                    continue
                system, keywords = int(remote.flags.system), keywords_text(remote.flags.keywords)
                if row[1] == system and row[2] == keywords:
                    continue
                connection.execute(_BASE_FLAGS, (system, keywords, changed, row[0]))
                if row[3] or row[4]:
                    touched.append(row[0])
            if touched:
                recompute(connection, touched)
        return unknown

    def remove_uids(self, mailbox_id: int, ranges: Sequence[UidRange], *, keep_bodies_days: int = 0) -> int:
        """Messages that the server no longer lists; returns how many were known here.

        A message whose move or deletion is under way stays until that operation is settled: it may be us who removed it.
        """
        keep_until = int(time.time()) + keep_bodies_days * 86400 if keep_bodies_days else 0
        removed = 0
        for wanted in ranges:
            first = wanted.first
            while first <= wanted.last:
                with self._database.write() as connection:
                    rows = connection.execute(
                        "SELECT p.id, p.uid, EXISTS (SELECT 1 FROM operation o WHERE o.placement_id = p.id"
                        "  AND o.state IN ('pending', 'running') AND o.state = 'running'"
                        "  AND json_extract(o.payload, '$.type') IN ('move', 'expunge')) FROM placement p"
                        " WHERE p.base_mailbox_id = ? AND p.uid BETWEEN ? AND ? ORDER BY p.uid LIMIT ?",
                        (mailbox_id, first, wanted.last, REMOVED_AT_ONCE),
                    ).fetchall()
                    ids = [row[0] for row in rows if not row[2]]
                    removed += len(remove_placements(connection, ids, keep_until=keep_until))
                if len(rows) < REMOVED_AT_ONCE:
                    break
                first = rows[-1][1] + 1
                time.sleep(LET_OTHERS_WRITE)
        if removed:
            sweep(self._database)
        return removed

    def local_uids(self, mailbox_id: int, within: UidRange = _ALL_UIDS) -> array[int]:
        """The server's UIDs known here, ascending."""
        with self._database.read() as reader:
            rows = reader.execute(
                "SELECT uid FROM placement WHERE base_mailbox_id = ? AND uid BETWEEN ? AND ? ORDER BY uid",
                (mailbox_id, within.first, within.last),
            )
            return array("q", map(itemgetter(0), rows))

    def local_count(self, mailbox_id: int) -> int:
        """How many of the server's messages are known here."""
        row = self._database.one(
            "SELECT count(*) FROM placement WHERE base_mailbox_id = ? AND uid IS NOT NULL", (mailbox_id,)
        )
        return 0 if row is None else int(row[0])

    def local_flags(self, mailbox_id: int) -> dict[int, FlagSet]:
        """The flags that the server last confirmed, by UID."""
        with self._database.read() as reader:
            rows = reader.execute(
                "SELECT uid, base_flags, base_keywords FROM placement WHERE base_mailbox_id = ? AND uid IS NOT NULL",
                (mailbox_id,),
            )
            return {uid: flag_set(system, keywords) for uid, system, keywords in rows}


def count_candidates(connection: sqlite3.Connection, mailbox_id: int) -> None:
    connection.execute(
        "UPDATE mailbox SET candidates = (SELECT count(*) FROM placement WHERE base_mailbox_id = ?1 AND uid IS NULL) WHERE id = ?1",
        (mailbox_id,),
    )


def uid_ranges(uids: Iterable[int]) -> list[UidRange]:
    """Ascending UIDs as ranges."""
    ranges: list[UidRange] = []
    first = last = -1
    for uid in uids:
        if uid == last + 1 and first >= 0:
            last = uid
            continue
        if first >= 0:
            ranges.append(UidRange(first, last))
        first = last = uid
    if first >= 0:
        ranges.append(UidRange(first, last))
    return ranges
