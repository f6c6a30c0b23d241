"""One Received field taken apart (RFC 5321 §4.4, RFC 3848), in all the forms that servers write."""

from __future__ import annotations

import re

import msgspec

from termmail.mime.charsets import decode_header_bytes
from termmail.mime.dates import parse_date
from termmail.mime.domains import ip_address
from termmail.mime.safe_text import safe_address, safe_text

MAX_RECEIVED = 8 * 1024
"""Bytes of one field that are read."""

_MAX_TOKENS = 400
_MAX_SHOWN = 300
_FOLD = re.compile(rb"\r?\n[ \t]*")
_PIECE = re.compile(r"[()]|\\.|[^()\\]+|\\", re.DOTALL)
_WORD = re.compile(r'"(?:[^"\\]|\\.){0,500}"|<[^<>]{0,500}>|[^\s();]+', re.DOTALL)
_CLAUSES = ("from", "by", "via", "with", "id", "for")
_IP = re.compile(
    r"(?<![\w.:-])(?:\[?ipv6:)?\[?((?:\d{1,3}\.){3}\d{1,3}|(?=[0-9a-f]{0,4}:[0-9a-f.]{0,4}:)[0-9a-f:.]{2,45})(?:%\w{1,20})?\]?"
    r"(?::\d{1,5})?(?![\w.-])",
    re.IGNORECASE,
)
_HELO = re.compile(r'(?:\bhelo=|\b(?:HELO|EHLO)[ =])\[?([^\s()\[\]";]{1,255})', re.IGNORECASE)
_HOST_BEFORE_IP = re.compile(r"^\s*([^\s()\[\]@=<>\"]{1,255}?)\.?\s+(?:\[|\d|$|\()")
_TLS_VERSION = re.compile(r"\b(TLS|SSL)[ _/]?v?[ _]?([123])(?:[._]([0-3]))?(?!\d)", re.IGNORECASE)
_TLS_TOLD = re.compile(r"\bTLS\b|\bSTARTTLS\b|/TLS/|\bTLS_[A-Z]", re.IGNORECASE)
_SECURE_PROTOCOL = re.compile(r"(?:UTF8)?(?:E?SMTP|LMTP)SA?$|HTTPS$")
_PLAIN_PROTOCOL = re.compile(r"(?:UTF8)?(?:E?SMTP|LMTP)A?$|HTTP$")
_LAST_DATE = re.compile(
    r"\b(?:\d{1,2}\s+[A-Z][a-z]{2}\s+\d{2,4}|20\d\d-\d\d-\d\d)\s+\d{1,2}:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:\s+[+-]\d{4}|\s+[A-Z]{1,4})?"
)
_DAY_FIRST = re.compile(r"^(\d\d)/(\d\d)/(\d{4}) (\d\d:\d\d:\d\d)$")
_UNKNOWN = frozenset({"unknown", "<unknown>", "unverified", "mismatch", "localhost.unknown"})


class Received(msgspec.Struct, frozen=True):
    """What one field says, safe to show; names as in `Hop`. `forged` is the receiver's own doubt in the sender's name."""

    from_name: str = ""
    from_host: str = ""
    from_ip: str = ""
    by: str = ""
    by_ip: str = ""
    protocol: str = ""
    tls: bool | None = None
    tls_version: str = ""
    queue_id: str = ""
    recipient: str = ""
    at: int | None = None
    forged: bool = False
    written: str = ""


class _Clause:
    __slots__ = ("comments", "words")

    def __init__(self) -> None:
        self.words: list[str] = []
        self.comments: list[str] = []


def parse_received(value: bytes) -> Received:
    """The field whose value is `value`, folded or not. Reads at most 8 KiB, takes linear time, never raises."""
    text = decode_header_bytes(_FOLD.sub(b" ", value[:MAX_RECEIVED])).strip()
    clauses, date = _clauses(text)
    sender, receiver, protocol = clauses["from"], clauses["by"], clauses["with"]
    name, host, ip, forged = _peer(sender)
    words = " ".join(
        (*protocol.words, *protocol.comments, *clauses[""].comments, *receiver.comments, *sender.comments[1:])
    )
    words += " " + " ".join((*clauses["id"].comments, *clauses["for"].comments))
    shown_protocol = _protocol(protocol.words, text)
    tls, version = _tls(shown_protocol, protocol.words, words)
    by = receiver.words[0] if receiver.words else ""
    return Received(
        from_name=_shown(name),
        from_host=_shown(host),
        from_ip=ip,
        by=_shown(by.strip("[]")),
        by_ip=_first_ip(" ".join((by, *receiver.comments[:2]))),
        protocol=shown_protocol,
        tls=tls,
        tls_version=version,
        queue_id=_shown(clauses["id"].words[0].strip("<>")) if clauses["id"].words else "",
        recipient=_shown(clauses["for"].words[0].strip("<>")) if clauses["for"].words else "",
        at=date,
        forged=forged,
        written=safe_text(text, one_line=True),
    )


def _clauses(text: str) -> tuple[dict[str, _Clause], int | None]:
    """The words and comments after each keyword, and the time after the last semicolon that is in no comment."""
    clauses = {name: _Clause() for name in ("", *_CLAUSES)}
    current = clauses[""]
    position = semicolon = count = 0
    length = len(text)
    while position < length and count < _MAX_TOKENS:
        character = text[position]
        if character == "(":
            end = _comment_end(text, position)
            current.comments.append(text[position + 1 : end - 1])
            position = end
        elif character == ";":
            semicolon = position
            position += 1
            if parse_date(text[position:]) is not None:
                break
        else:
            match = _WORD.match(text, position)
            if match is None:
                position += 1
                continue
            position = match.end()
            keyword = match[0].lower()
            # "id" and "for" may be names of hosts; a clause that has begun is not begun again but for "with".
            if keyword in _CLAUSES and (not clauses[keyword].words or keyword == "with"):
                current = clauses[keyword]
            else:
                current.words.append(match[0])
        count += 1
    return clauses, _time(text, semicolon)


def _comment_end(text: str, start: int) -> int:
    depth = 0
    for piece in _PIECE.finditer(text, start):
        depth += {"(": 1, ")": -1}.get(piece[0], 0)
        if depth == 0:
            return piece.end()
    return len(text) + 1


def _time(text: str, semicolon: int) -> int | None:
    if semicolon:
        after = text[semicolon + 1 :].strip()
        day_first = _DAY_FIRST.match(after)
        if day_first is not None:
            # What qmail-scanner writes.
            after = f"{day_first[3]}-{day_first[2]}-{day_first[1]} {day_first[4]}"
        found = parse_date(after)
        if found is not None:
            return found
    dates = [match[0] for match in _LAST_DATE.finditer(text[-160:])]
    return parse_date(dates[-1]) if dates else None


def _peer(clause: _Clause) -> tuple[str, str, str, bool]:
    """What the sender called itself, the name and the address that the receiver saw, and whether it doubts the name."""
    word = clause.words[0] if clause.words else ""
    about = " ".join(clause.comments)
    helo = _HELO.search(about)
    ip = _first_ip(about) or _first_ip(" ".join(clause.words[:3]))
    named = next((match for match in map(_HOST_BEFORE_IP.match, clause.comments) if match is not None), None)
    host = named[1] if named is not None and helo is None else ""
    name = word
    if helo is not None:
        # exim and qmail put the name that they looked up first, and what the sender said in the comment.
        name, host = helo[1], word
    elif named is not None and "=" in host:
        host = ""
    elif "(port=" in f"({about}" and "helo" not in about.lower():
        host = word
    if not _is_name(host):
        host = ""
    forged = "may be forged" in about.lower() or "mismatch" in about.lower()
    name = " ".join(clause.words) if len(clause.words) > 1 and not helo and len(clause.words) < 6 and not ip else name
    return "" if name.lower() in _UNKNOWN else name, host, ip, forged


def _is_name(host: str) -> bool:
    return bool(host) and host.lower() not in _UNKNOWN and ip_address(host) is None and "@" not in host


def _first_ip(text: str) -> str:
    for match in _IP.finditer(text):
        found = ip_address(match[1])
        if found is not None:
            return str(found)
    return ""


def _protocol(words: list[str], text: str) -> str:
    if not words:
        if text.startswith("(qmail"):
            return "qmail"
        return ""
    first = words[0].partition("/")[0].upper()
    if first == "MICROSOFT" or first.startswith("TLSV"):
        rest = [word.upper() for word in words[1:] if word.upper() in ("SMTP", "ESMTP", "SMTPSVC", "ESMTPA")]
        return rest[0].removesuffix("SVC") if rest else ""
    if first in ("ASMTP", "LOCAL", "MAPI"):
        return {"ASMTP": "ESMTPA", "LOCAL": "local", "MAPI": "MAPI"}[first]
    return _shown(first) if len(first) <= 20 else ""


def _tls(protocol: str, protocol_words: list[str], about: str) -> tuple[bool | None, str]:
    """Whether the connection was encrypted, None where the field does not say, and by which version of TLS."""
    match = _TLS_VERSION.search(about)
    if match is not None:
        version = f"{match[2]}.{match[3] or '0'}"
        return True, version if match[1].upper() == "TLS" else f"SSL {version}"
    if _TLS_TOLD.search(about) or "/TLS" in " ".join(protocol_words).upper() or _SECURE_PROTOCOL.match(protocol):
        return True, ""
    if _PLAIN_PROTOCOL.match(protocol):
        return False, ""
    return None, ""


def _shown(text: str) -> str:
    text = safe_address(text.strip())
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…"
