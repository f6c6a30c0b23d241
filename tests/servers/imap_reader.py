"""Reads a whole account over IMAP with nothing but the standard library: the tests' own view of a server."""

from __future__ import annotations

import contextlib
import imaplib
import re
from collections import Counter
from collections.abc import Callable, Iterator

from imapclient import imap_utf7

from servers.digest import Contents, raw_digest

_LIST = re.compile(rb'\((?P<attributes>[^)]*)\) (?:NIL|"(?:\\.|[^"\\])*") (?P<name>.*)', re.DOTALL)
_FLAGS = re.compile(rb"FLAGS \(([^)]*)\)")
_UID = re.compile(rb"\bUID (\d+)")


@contextlib.contextmanager
def sign_in(host: str, port: int, user: str, password: str) -> Iterator[imaplib.IMAP4]:
    """A plain connection, signed in."""
    connection = imaplib.IMAP4(host, port, timeout=30)
    try:
        connection.login(user, password)
        yield connection
    finally:
        with contextlib.suppress(OSError, imaplib.IMAP4.error):
            connection.logout()


def mailbox_names(connection: imaplib.IMAP4) -> dict[str, bytes]:
    """Each mailbox that can be selected: its name → its name as the server writes it (modified UTF-7)."""
    names: dict[str, bytes] = {}
    _, rows = connection.list()
    for row in rows:
        head, literal = row if isinstance(row, tuple) else (row, None)
        match = _LIST.match(head) if isinstance(head, bytes) else None
        if (
            match is None
            or rb"\NOSELECT" in match["attributes"].upper()
            or rb"\NONEXISTENT" in match["attributes"].upper()
        ):
            continue
        wire = literal if literal is not None else match["name"].strip()
        if literal is None and wire.startswith(b'"'):
            wire = re.sub(rb"\\(.)", rb"\1", wire[1:-1])
        names[imap_utf7.decode(wire)] = wire
    return names


def read_mailbox(connection: imaplib.IMAP4, wire_name: bytes) -> Iterator[tuple[int, frozenset[str], bytes]]:
    """UID, flags (without \\Recent) and bytes of each message, by EXAMINE, so that nothing changes."""
    quoted = b'"' + re.sub(rb'(["\\])', rb"\\\1", wire_name) + b'"'
    status, answer = connection.select(quoted.decode("ascii"), readonly=True)
    if status != "OK":
        raise RuntimeError(f"EXAMINE {wire_name!r}: {answer!r}")
    if answer[0] == b"0":
        return
    _, uid_answer = connection.uid("SEARCH", "ALL")
    uids = (uid_answer[0] or b"").split()
    for start in range(0, len(uids), 200):
        block = b",".join(uids[start : start + 200]).decode()
        status, rows = connection.uid("FETCH", block, "(UID FLAGS BODY.PEEK[])")
        if status != "OK":
            raise RuntimeError(f"FETCH in {wire_name!r}: {rows!r}")
        for position, row in enumerate(rows):
            if not isinstance(row, tuple):
                continue
            tail = rows[position + 1] if position + 1 < len(rows) else b""
            text = row[0] + (tail if isinstance(tail, bytes) else b"")
            uid, flags = _UID.search(text), _FLAGS.search(text)
            if uid is None or flags is None:
                raise RuntimeError(f"an answer without UID or FLAGS: {text!r}")
            names = frozenset(name.decode() for name in flags[1].split() if name.upper() != rb"\RECENT")
            yield int(uid[1]), names, bytes(row[1])


def read_contents(
    host: str, port: int, user: str, password: str, *, digest: Callable[[bytes], str] = raw_digest
) -> Contents:
    """Mailbox → Counter of (digest, flags), of a server on a plain port. Empty mailboxes are in it too."""
    contents: Contents = {}
    with sign_in(host, port, user, password) as connection:
        for name, wire in mailbox_names(connection).items():
            contents[name] = Counter((digest(raw), flags) for _, flags, raw in read_mailbox(connection, wire))
    return contents


def append(
    host: str, port: int, user: str, password: str, mailbox: str, raw: bytes, *, flags: tuple[str, ...] = ()
) -> None:
    """Add one message over IMAP, as another client or a delivery would."""
    with sign_in(host, port, user, password) as connection:
        name = '"' + imap_utf7.encode(mailbox).decode("ascii").replace("\\", "\\\\").replace('"', '\\"') + '"'
        status, answer = connection.append(name, " ".join(flags), "", raw)
        if status != "OK":
            raise RuntimeError(f"APPEND to {mailbox}: {answer!r}")
