"""Status lines and capabilities (RFC 1939 §3, RFC 2449)."""

from __future__ import annotations

import re

import msgspec

_STATUS = re.compile(rb"(\+OK|-ERR)(?![A-Za-z0-9])[ \t]*(.*)", re.DOTALL)
_CODE = re.compile(rb"\[([A-Za-z0-9][A-Za-z0-9/._-]{0,60})(?: [^\]]{0,200})?\][ \t]*")
_LOCKED = re.compile(
    rb"\b(mail ?drop|mail ?box|session)\b.*\b(lock(ed)?|in use|busy|already open)\b"
    rb"|\block(ed)?\b.*\b(mail ?drop|mail ?box|session)\b",
    re.IGNORECASE,
)


class Reply(msgspec.Struct, frozen=True):
    """A status line. `code` is the response code in capitals, or empty; `text` is what follows it."""

    ok: bool
    code: str
    text: bytes

    def has_code(self, code: str) -> bool:
        """Whether the code is this one or below it: SYS/TEMP/FULL is SYS/TEMP."""
        return self.code == code or self.code.startswith(code + "/")

    @property
    def says_locked(self) -> bool:
        """Whether a server without codes says in words that another session has the maildrop."""
        return not self.code and _LOCKED.search(self.text) is not None

    @property
    def is_no_verdict(self) -> bool:
        """Whether a refused sign-in says nothing about the password (RFC 2449)."""
        return self.says_locked or any(self.has_code(code) for code in ("IN-USE", "LOGIN-DELAY", "SYS"))


def parse_reply(line: bytes) -> Reply | None:
    """A status line without its end; None where it is none. Only a refusal has a code."""
    match = _STATUS.fullmatch(line)
    if match is None:
        return None
    ok = match[1] == b"+OK"
    text = match[2]
    code = None if ok else _CODE.match(text)
    if code is None:
        return Reply(ok, "", text)
    return Reply(ok, code[1].decode("ascii").upper(), text[code.end() :])


def parse_capability(line: bytes) -> tuple[str, tuple[str, ...]] | None:
    """One line of CAPA: its name and arguments in capitals; None where it is garbage."""
    words = line.decode("latin-1").split()
    if not words or not line.isascii():
        return None
    return words[0].upper(), tuple(word.upper() for word in words[1:])
