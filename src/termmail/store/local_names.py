"""Names of local mailboxes as Maildir++ folder names: INBOX, and `.Level.Below` in modified UTF-7 (RFC 9051 §5.1.3), as mutt, notmuch
and Dovecot know them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

INBOX = "INBOX"
DELIMITER = "/"
_LONGEST = 200
# A dot separates levels on disk, a slash folders; both are written as UTF-16 in a name.
_DIRECT = re.compile(r"[ -%'-\-0-}]+")
_ENCODED = re.compile(r"&([^-]*)-")


def directory_name(name: str, *, twin: bool = False) -> str:
    """The folder for a mailbox; with `twin` for one whose name differs from another's only in case."""
    if name == INBOX:
        return INBOX
    escaped = "".join("." + _encode(level) for level in name.split(DELIMITER))
    if twin or len(escaped) > _LONGEST:
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        escaped = f"{escaped[:_LONGEST]}~{digest}"
    return escaped


def mailbox_name(directory: str) -> str | None:
    """The mailbox of a folder that another program made; None where it is no Maildir++ name."""
    if directory == INBOX:
        return INBOX
    levels = directory.split(".")
    if len(levels) < 2 or levels[0] or not all(levels[1:]):
        return None
    decoded = [_decode(level) for level in levels[1:]]
    if any(level is None or DELIMITER in level for level in decoded):
        return None
    return DELIMITER.join(level for level in decoded if level is not None)


def _encode(level: str) -> str:
    parts: list[str] = []
    place = 0
    while place < len(level):
        if level[place] == "&":
            parts.append("&-")
            place += 1
        elif found := _DIRECT.match(level, place):
            parts.append(found[0])
            place = found.end()
        else:
            end = place
            while end < len(level) and level[end] != "&" and not _DIRECT.match(level, end):
                end += 1
            utf16 = level[place:end].encode("utf-16-be", "surrogatepass")
            parts.append("&" + base64.b64encode(utf16, b"+,").decode("ascii").rstrip("=") + "-")
            place = end
    return "".join(parts)


def _decode(level: str) -> str | None:
    try:
        return _ENCODED.sub(_decode_run, level)
    except (binascii.Error, UnicodeDecodeError, ValueError):
        # Some program wrote what it liked: then the folder is shown under that name.
        return level


def _decode_run(found: re.Match[str]) -> str:
    if not found[1]:
        return "&"
    data = base64.b64decode(found[1] + "=" * (-len(found[1]) % 4), b"+,", validate=True)
    return data.decode("utf-16-be")
