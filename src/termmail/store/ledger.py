"""The ledger of a POP3 account: which mail of the maildrop was downloaded, beside the Maildirs, so that the database can be rebuilt
from the folder without fetching anything twice.

A text file of JSON lines, only ever appended to; a later line about a UIDL adds to the earlier ones.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from termmail.model.crash import crash_point
from termmail.store.durable import sync_folder

LEDGER_FILE = ".termmail-uidls"


class LedgerEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """`size` in bytes as the server listed it, `at` when it was downloaded in Unix seconds, `sha256` in hex."""

    uidl: str
    sha256: str
    size: int
    at: int
    deleted: bool = False


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(LedgerEntry)


def append(folder: Path, entries: Iterable[LedgerEntry]) -> None:
    """Add lines, durably. Raises OSError; the lines before stay as they are."""
    data = b"".join(_encoder.encode(entry) + b"\n" for entry in entries)
    if not data:
        return
    path = folder / LEDGER_FILE
    new = not path.exists()
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    try:
        length = os.fstat(descriptor).st_size
        if length and os.pread(descriptor, 1, length - 1) != b"\n":
            # A crash or a full disk cut the last line: it is skipped when read, this one must not be.
            data = b"\n" + data
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        crash_point("before fsync")
        os.fsync(descriptor)
        crash_point("after fsync")
    finally:
        os.close(descriptor)
    if new:
        sync_folder(folder)


def read(folder: Path) -> dict[str, LedgerEntry]:
    """The last that is known of each UIDL; a line that can't be read is skipped. Raises OSError."""
    entries: dict[str, LedgerEntry] = {}
    try:
        data = (folder / LEDGER_FILE).read_bytes()
    except FileNotFoundError:
        return entries
    for line in data.splitlines():
        with contextlib.suppress(msgspec.DecodeError):
            entry = _decoder.decode(line)
            entries.pop(entry.uidl, None)
            entries[entry.uidl] = entry
    return entries
