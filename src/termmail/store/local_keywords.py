"""Keywords of mail in the Maildirs of a POP3 account, which no file name can show: a file beside them, so that `reindex` has them."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

import msgspec

from termmail.store.maildir import rename, write_new

KEYWORDS_FILE = ".termmail-keywords"


def read(folder: Path) -> dict[str, frozenset[str]]:
    """Keywords by the part of a file's name before its info suffix; nothing where there is no file. Raises OSError."""
    with contextlib.suppress(FileNotFoundError, msgspec.DecodeError):
        return msgspec.json.decode((folder / KEYWORDS_FILE).read_bytes(), type=dict[str, frozenset[str]])
    return {}


def write(folder: Path, keywords: dict[str, frozenset[str]]) -> None:
    """Replace the file, whole or not at all. Raises OSError."""
    path = folder / KEYWORDS_FILE
    data = msgspec.json.encode({name: sorted(words) for name, words in sorted(keywords.items())})
    if not keywords and not path.exists():
        return
    temporary = folder / f"{KEYWORDS_FILE}.{secrets.token_hex(4)}"
    write_new(temporary, data)
    descriptor = os.open(temporary, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    rename(temporary, path)
