"""Authentication-Results: what the reader's own server found out about a message's sender (RFC 8601)."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from termmail.mime.charsets import decode_header_bytes
from termmail.mime.headers import header_fields
from termmail.mime.safe_text import safe_address

MAX_FIELD = 16 * 1024
"""Bytes of one field that are read."""

_MAX_RESULTS = 50
_FOLD = re.compile(rb"\r?\n[ \t]*")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\\.|[();]|[^"\\();]+|["\\]', re.DOTALL)
_METHOD = re.compile(r"\s*([A-Za-z0-9-]{1,40})(?:\s*/\s*\d+)?\s*=\s*([A-Za-z]{1,40})")
_PROPERTY = re.compile(
    r'([A-Za-z0-9-]{1,40})\s*\.\s*([A-Za-z0-9_-]{1,40})\s*=\s*("(?:[^"\\]|\\.){0,500}"|[^\s;]{1,500})'
)


class MethodResult(msgspec.Struct, frozen=True):
    """One check: `method` such as "dkim", `result` such as "pass", both lower case, and its properties as ("header.d", value)."""

    method: str
    result: str
    properties: tuple[tuple[str, str], ...] = ()

    def value(self, *names: str) -> str:
        """The first of these properties that is there, lower case; empty where none is."""
        return next((value.lower() for name in names for key, value in self.properties if key == name), "")


class AuthenticationResults(msgspec.Struct, frozen=True):
    """One field. `above` is the number of Received fields that stand before it, which were written later."""

    authserv_id: str
    results: tuple[MethodResult, ...] = ()
    above: int = 0


def parse_authentication_results(value: bytes) -> AuthenticationResults:
    """The field whose value is `value`. Comments are dropped, what is not understood is left out. Linear; never raises."""
    pieces = _pieces(decode_header_bytes(_FOLD.sub(b" ", value[:MAX_FIELD])))
    words = pieces[0].split()
    # Outlook.com leaves the id out: its first piece is a result.
    authserv_id = words[0].strip('"').lower() if words and "=" not in words[0] else ""
    results: list[MethodResult] = []
    for piece in pieces if not authserv_id else pieces[1 : _MAX_RESULTS + 1]:
        found = _METHOD.match(piece)
        if found is not None:
            properties = tuple(
                (f"{kind}.{name}".lower(), safe_address(text.strip('"')))
                for kind, name, text in _PROPERTY.findall(piece[found.end() :])
            )
            results.append(MethodResult(found[1].lower(), found[2].lower(), properties))
    return AuthenticationResults(safe_address(authserv_id), tuple(results))


def own_results(header: bytes, is_own: Callable[[str], bool]) -> AuthenticationResults | None:
    """The topmost field of a raw header block where its authserv-id is the reader's own, by `is_own`; None otherwise (D5).

    Whoever had the message before can have put a field below it, under any name, so no other is looked at.
    """
    above = 0
    for name, value in header_fields(header):
        field = name.lower()
        if field == "received":
            above += 1
        elif field == "authentication-results":
            found = parse_authentication_results(value)
            if not found.authserv_id or not is_own(found.authserv_id):
                return None
            return msgspec.structs.replace(found, above=above)
    return None


def _pieces(text: str) -> list[str]:
    """The text between semicolons, without comments."""
    pieces = [""]
    depth = 0
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token == "(":
            depth += 1
        elif token == ")":
            depth = max(0, depth - 1)
        elif depth:
            continue
        elif token == ";":
            pieces.append("")
        else:
            pieces[-1] += token
    return pieces
