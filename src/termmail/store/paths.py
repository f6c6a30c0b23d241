"""Mailbox names as folder names: injective, safe on every file system (L10)."""

from __future__ import annotations

import hashlib
import re

_UNSAFE = re.compile(rb"[^A-Za-z0-9_\-]")
_LONGEST = 120


def folder_name(name: str, delimiter: str = "", *, twin: bool = False) -> str:
    """The folder for a mailbox or account name.

    Levels are joined with a dot; every other byte that is not a letter, digit, dash or underscore is written %XX of its UTF-8. A long
    name is cut and gets `~` and a hash, and so does a name with `twin` (one that differs from another only in case). As `~`
    and dots in names are escaped, two names never share a folder.
    """
    levels = name.split(delimiter) if delimiter else [name]
    escaped = ".".join(
        _UNSAFE.sub(lambda match: b"%%%02X" % match[0][0], level.encode("utf-8", "surrogatepass")).decode("ascii")
        for level in levels
    )
    if not escaped.strip("."):
        escaped = "%" + escaped.replace(".", "%2E")
    if twin or len(escaped) > _LONGEST or escaped.startswith("."):
        digest = hashlib.sha256((delimiter + "\0" + name).encode("utf-8", "surrogatepass")).hexdigest()[:16]
        escaped = f"{escaped[:_LONGEST].lstrip('.')}~{digest}"
    return escaped
