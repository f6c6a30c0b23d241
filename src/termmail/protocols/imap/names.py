"""Mailbox names between people and the wire, and what they say about a role (P12)."""

from __future__ import annotations

from imapclient import imap_utf7

from termmail.model.mailbox import Role
from termmail.protocols.arguments import check_argument

SPECIAL_USE: dict[bytes, Role] = {
    b"\\ALL": Role.ALL,
    b"\\ARCHIVE": Role.ARCHIVE,
    b"\\DRAFTS": Role.DRAFTS,
    b"\\FLAGGED": Role.FLAGGED,
    b"\\IMPORTANT": Role.IMPORTANT,
    b"\\JUNK": Role.JUNK,
    b"\\SENT": Role.SENT,
    b"\\TRASH": Role.TRASH,
}

# In the order of preference, where a server has several and names no role.
_USUAL_NAMES: list[tuple[Role, tuple[str, ...]]] = [
    (
        Role.SENT,
        ("sent", "sent mail", "sent messages", "sent items", "gesendet", "gesendete elemente", "envoyés", "enviados"),
    ),
    (Role.DRAFTS, ("drafts", "draft", "entwürfe", "brouillons", "borradores")),
    (
        Role.TRASH,
        ("trash", "deleted messages", "deleted items", "deleted", "bin", "papierkorb", "corbeille", "papelera"),
    ),
    (Role.JUNK, ("junk", "spam", "junk e-mail", "junk email", "junk mail", "bulk mail", "bulk")),
    (Role.ARCHIVE, ("archive", "archives", "archiv")),
]


def decode_name(wire_name: bytes) -> str:
    """For people: from modified UTF-7 (RFC 3501 §5.1.3), or raw UTF-8 as some servers send it; the bytes as they are where it
    is neither."""
    if not wire_name.isascii():
        return wire_name.decode("utf-8", "replace")
    try:
        name: str = imap_utf7.decode(wire_name)
        name.encode()
    except (ValueError, UnicodeError):
        return wire_name.decode("ascii")
    return name


def encode_name(name: str) -> bytes:
    """To modified UTF-7. Raises UnsafeArgument."""
    check_argument(name, "the folder's name")
    encoded: bytes = imap_utf7.encode(name)
    return encoded


def quoted(wire_name: bytes, what: str = "the folder's name") -> bytes:
    """As a quoted string. Raises UnsafeArgument."""
    check_argument(wire_name, what)
    return b'"' + wire_name.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def usual_role(name: str, delimiter: str) -> tuple[Role, int]:
    """The role that a name at the top or right below INBOX suggests, and its rank among the names for it (0 is best)."""
    folded = name.casefold()
    if delimiter and folded.startswith(f"inbox{delimiter}"):
        folded = folded[6:]
    for role, names in _USUAL_NAMES:
        if folded in names:
            return role, names.index(folded)
    return Role.NONE, 0
