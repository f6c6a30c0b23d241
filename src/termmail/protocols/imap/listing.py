"""LIST, LSUB and STATUS, read row by row, so that an odd row costs no other (P12)."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from termmail.model.mailbox import Role
from termmail.model.remote import MailboxListing, MailboxStatus, RemoteMailbox
from termmail.protocols.imap import names
from termmail.protocols.imap.responses import Malformed, Response, Value, as_bytes, as_list, as_number, parse_values

# Attributes, delimiter, and all the rest as the name: some servers send TABs, brackets or spaces in it unquoted.
_ROW = re.compile(rb"\s*\(([^()]*)\)[ \t]+(?:\"(\\?.)\"|(NIL)|\"\")[ \t]+", re.IGNORECASE | re.DOTALL)


class Row(msgspec.Struct, frozen=True):
    """One LIST or LSUB row; `attributes` in capitals."""

    attributes: frozenset[bytes]
    delimiter: str
    wire_name: bytes


def parse_row(response: Response) -> Row:
    """Raises Malformed."""
    head = _ROW.match(response.text)
    if head is None:
        raise Malformed("not a row of LIST")
    delimiter = (head[2] or b"")[-1:].decode("latin-1")
    rest = response.text[head.end() :]
    if len(response.pieces) > 1:
        name = as_bytes(response.pieces[1] if rest.strip() == b"" else rest)
        if not name:
            raise Malformed("the name is too long")
    elif rest.startswith(b'"'):
        name = as_bytes(parse_values([rest])[0])
    else:
        name = _without_extended(rest)
    if not name:
        raise Malformed("a row without a name")
    return Row(frozenset(head[1].upper().split()), delimiter, name)


def _without_extended(rest: bytes) -> bytes:
    """An atom, without the extended data of RFC 5258 in parentheses behind it."""
    if rest.endswith(b")") and b" (" in rest:
        rest = rest[: rest.index(b" (")]
    return rest.rstrip(b" ")


def parse_status_row(response: Response) -> tuple[bytes, MailboxStatus]:
    """The name and the values of an untagged STATUS. Raises Malformed."""
    values = response.values()
    if len(values) < 2 or not isinstance(values[-1], list):
        raise Malformed("not a row of STATUS")
    # An unquoted name with a space in it makes more values than two.
    name = as_bytes(values[0]) if len(values) == 2 else response.text.rpartition(b" (")[0].strip()
    if not name:
        raise Malformed("a row without a name")
    items = as_list(values[-1])
    return name, _status(dict(zip((as_bytes(key).upper() for key in items[::2]), items[1::2], strict=False)))


def _status(items: dict[bytes, Value]) -> MailboxStatus:
    def number(key: bytes) -> int | None:
        try:
            return as_number(items[key]) if key in items else None
        except Malformed:
            return None

    modseq = number(b"HIGHESTMODSEQ")
    return MailboxStatus(
        messages=number(b"MESSAGES"),
        unseen=number(b"UNSEEN"),
        uidnext=number(b"UIDNEXT") or None,
        uidvalidity=number(b"UIDVALIDITY") or None,
        highestmodseq=modseq or None,
    )


def status_items(capabilities: frozenset[str]) -> bytes:
    """What to ask of STATUS."""
    modseq = b" HIGHESTMODSEQ" if capabilities & {"CONDSTORE", "QRESYNC"} else b""
    return b"(MESSAGES UNSEEN UIDNEXT UIDVALIDITY%s)" % modseq


def assemble(
    rows: Iterable[Row],
    *,
    subscribed: set[bytes] | None,
    statuses: dict[bytes, MailboxStatus],
    roles_by_name: bool,
    skipped: Iterable[str],
) -> MailboxListing:
    """The listing; `subscribed` is None where the rows themselves say it (LIST-EXTENDED)."""
    found: dict[bytes, RemoteMailbox] = {}
    taken: set[str] = set()
    for row in rows:
        key = keyed(row.wire_name)
        if key in found:
            continue
        name = "INBOX" if key == b"INBOX" else names.decode_name(row.wire_name)
        if name in taken:
            # Two encodings of one name; the second is shown as it is sent, so that both can be told apart.
            name = row.wire_name.decode("ascii", "backslashreplace")
        taken.add(name)
        found[key] = RemoteMailbox(
            wire_name=row.wire_name,
            name=name,
            delimiter=row.delimiter,
            role=_role(row, name),
            selectable=not row.attributes & {b"\\NOSELECT", b"\\NONEXISTENT"},
            subscribed=b"\\SUBSCRIBED" in row.attributes if subscribed is None else key in subscribed,
            no_inferiors=b"\\NOINFERIORS" in row.attributes,
            status=statuses.get(key),
        )
    mailboxes = list(found.values())
    if roles_by_name and not any(mailbox.role not in (Role.NONE, Role.INBOX) for mailbox in mailboxes):
        mailboxes = _with_usual_roles(mailboxes)
    return MailboxListing(tuple(mailboxes), tuple(skipped))


def keyed(wire_name: bytes) -> bytes:
    """INBOX in whatever case is one mailbox (RFC 9051 §5.1); all others are told apart byte for byte."""
    return b"INBOX" if wire_name.upper() == b"INBOX" else wire_name


def _role(row: Row, name: str) -> Role:
    if name == "INBOX":
        return Role.INBOX
    return next((role for attribute, role in names.SPECIAL_USE.items() if attribute in row.attributes), Role.NONE)


def _with_usual_roles(mailboxes: list[RemoteMailbox]) -> list[RemoteMailbox]:
    best: dict[Role, tuple[int, int]] = {}
    for index, mailbox in enumerate(mailboxes):
        role, rank = names.usual_role(mailbox.name, mailbox.delimiter)
        if role is not Role.NONE and mailbox.selectable and (role not in best or rank < best[role][0]):
            best[role] = (rank, index)
    for role, (_, index) in best.items():
        mailboxes[index] = msgspec.structs.replace(mailboxes[index], role=role)
    return mailboxes
