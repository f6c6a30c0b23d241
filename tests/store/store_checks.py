"""What holds of a store at every moment, whatever happened to it: read from its rows and files, by other means than the store's own."""

from __future__ import annotations

from collections import Counter

from termmail.model.flags import Flag, FlagSet
from termmail.model.operation import Copy, Expunge, FlagChange, Move
from termmail.store.codec import decode_payload, flag_set, keyword_set
from termmail.store.database import Database
from termmail.store.effective import account_folder
from termmail.store.maildir import find

ACTIVE = ("pending", "running")


def check_rows(database: Database) -> None:
    """Effective is base with the active operations on top; totals are what counting gives; no row points nowhere."""
    operations: dict[int, list[tuple[object, ...]]] = {}
    for row in database.all(
        "SELECT id, placement_id, source_id, mailbox_id, payload, state FROM operation WHERE state IN (?, ?) ORDER BY id",
        ACTIVE,
    ):
        operations.setdefault(row[1] or 0, []).append(row)
    mailboxes = {
        row[0]: row[1:] for row in database.all("SELECT id, total, unread, candidates, wire_name, pending FROM mailbox")
    }
    messages = {row[0] for row in database.all("SELECT id FROM message")}
    totals: Counter[int] = Counter()
    unread: Counter[int] = Counter()
    candidates: Counter[int] = Counter()
    placements: set[int] = set()
    for row in database.all(
        "SELECT id, message_id, mailbox_id, base_mailbox_id, uid, base_flags, base_keywords, local_keywords, flags, keywords,"
        " pending FROM placement"
    ):
        placement_id, message_id, mailbox_id, base_mailbox_id, uid, *base, flags, keywords, pending = row
        placements.add(placement_id)
        assert message_id in messages, f"placement {placement_id} shows no message"
        shown_in = base_mailbox_id
        shown = flag_set(base[0], base[1]).apply(FlagSet(Flag(0), keyword_set(base[2])), FlagSet())
        active = operations.get(placement_id, [])
        for _, _, _, _, text, _ in active:
            match decode_payload(str(text)):
                case FlagChange(add=add, remove=remove):
                    shown = shown.apply(add, remove)
                case Move(mailbox_id=target) | Copy(mailbox_id=target):
                    shown_in = target
                case Expunge():
                    shown_in = None
        assert (shown_in, shown, len(active)) == (mailbox_id, flag_set(flags, keywords), pending), placement_id
        assert base_mailbox_id is not None or active, f"placement {placement_id} is nowhere and will be nowhere"
        assert base_mailbox_id is not None or uid is None
        assert all(one in mailboxes for one in (mailbox_id, base_mailbox_id) if one is not None)
        if mailbox_id is not None:
            totals[mailbox_id] += 1
            unread[mailbox_id] += not flags & Flag.SEEN
        if base_mailbox_id is not None and uid is None:
            candidates[base_mailbox_id] += 1
    for mailbox_id, (total, unseen, waiting, wire_name, pending) in mailboxes.items():
        counted = (totals[mailbox_id], unread[mailbox_id], candidates[mailbox_id])
        assert (total, unseen, waiting) == counted, f"mailbox {mailbox_id} is counted wrongly"
        assert pending in (("create", "delete") if wire_name is None else ("", "rename", "delete")), (
            f"mailbox {mailbox_id}"
        )
    shown_messages = {row[0] for row in database.all("SELECT DISTINCT message_id FROM placement")}
    assert messages == shown_messages, "messages that no placement shows"
    for placement_id, waiting_for in operations.items():
        for operation_id, _, source_id, mailbox_id, _, state in waiting_for:
            assert not placement_id or placement_id in placements, f"operation {operation_id} is about nothing"
            assert source_id is None or source_id in placements or state == "running", (
                f"operation {operation_id} copies nothing"
            )
            assert mailbox_id is None or mailbox_id in mailboxes, f"operation {operation_id} leads nowhere"


def check_files(database: Database) -> None:
    """Each file that a row names is there and is named once; nothing that is doomed or kept for a while is named by a row."""
    named: set[str] = set()
    mail = database.home.mail
    for placement_id, file_name, stale, account, directory in database.all(
        "SELECT p.id, p.file_name, p.file_stale, a.name, b.directory FROM placement p JOIN mailbox b ON b.id = p.file_mailbox_id"
        " JOIN account a ON a.id = b.account_id WHERE p.file_name IS NOT NULL"
    ):
        folder = account_folder(account)
        path = f"{folder}/{directory}/cur/{file_name}"
        assert path not in named, f"two placements name {path}"
        named.add(path)
        if stale:
            assert find(mail / folder / directory, file_name) is not None, f"placement {placement_id} has no {path}"
        else:
            assert (mail / path).exists(), f"placement {placement_id} has no {path}"
    for table in ("doomed_file", "kept_body"):
        for (path,) in database.all(f"SELECT path FROM {table}"):
            assert path not in named, f"{path} is named by a row and in {table}"
    nameless = database.all("SELECT id FROM placement WHERE file_name IS NOT NULL AND file_mailbox_id IS NULL")
    assert not nameless
    present = database.all(
        "SELECT m.id FROM message m WHERE (m.body_state = 'present') <>"
        " EXISTS (SELECT 1 FROM placement p WHERE p.message_id = m.id AND p.file_name IS NOT NULL)"
    )
    assert not present, "messages whose body is said to be where it is not"


def check_no_strays(database: Database) -> None:
    """When all names have followed, the folders hold what rows name, once, and what is kept for a while; nothing else."""
    mail = database.home.mail
    expected = {row[0] for row in database.all("SELECT path FROM kept_body")}
    for file_name, account, directory in database.all(
        "SELECT p.file_name, a.name, b.directory FROM placement p JOIN mailbox b ON b.id = p.file_mailbox_id"
        " JOIN account a ON a.id = b.account_id"
    ):
        expected.add(f"{account_folder(account)}/{directory}/cur/{file_name}")
    found = {str(path.relative_to(mail)) for path in mail.glob("*/*/cur/*")}
    assert found == expected
