"""What two mail stores are compared by."""

from __future__ import annotations

import hashlib
import re
from collections import Counter

Contents = dict[str, Counter[tuple[str, frozenset[str]]]]
"""Mailbox name → how often each (SHA-256 in hex, flags) is in it."""

_TUID = re.compile(rb"^X-TUID:[^\n]*\n", re.IGNORECASE | re.MULTILINE)


def raw_digest(raw: bytes) -> str:
    """SHA-256 of exactly these bytes, in hex."""
    return hashlib.sha256(raw).hexdigest()


def lf_digest(raw: bytes) -> str:
    """SHA-256 with CRLF as LF and without the X-TUID field that mbsync puts into the header of its copies, in hex."""
    text = raw.replace(b"\r\n", b"\n")
    header, separator, body = text.partition(b"\n\n")
    return hashlib.sha256(_TUID.sub(b"", header + separator) + body).hexdigest()
