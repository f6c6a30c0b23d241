"""What may become part of a command line (T11): imaplib, poplib and smtplib send CR and LF inline."""

from __future__ import annotations

import re

from termmail.model.errors import UnsafeArgument

_FORBIDDEN = re.compile(rb"[\r\n\0]")
_NOT_ATOM = re.compile(rb'[^\x21-\x7e]|[(){%*"\\\]]')


def check_argument(value: str | bytes, what: str) -> bytes:
    """`value` in UTF-8. Raises UnsafeArgument where CR, LF or NUL is in it; `what` names it, as "the password"."""
    try:
        data = value.encode() if isinstance(value, str) else value
    except UnicodeEncodeError as error:
        raise UnsafeArgument(
            f"{what[:1].upper()}{what[1:]} holds a character that can't be sent. Remove it."
        ) from error
    if _FORBIDDEN.search(data):
        raise UnsafeArgument(
            f"{what[:1].upper()}{what[1:]} holds a line break or a NUL character, which can't be sent. Remove it."
        )
    return data


def check_atom(value: str, what: str) -> bytes:
    """`value` as an IMAP atom (RFC 9051 §9), such as a keyword. Raises UnsafeArgument where it can't be one."""
    data = check_argument(value, what)
    if not data or _NOT_ATOM.search(data):
        raise UnsafeArgument(
            f"{what[:1].upper()}{what[1:]} holds a character that IMAP does not allow there. Rename it."
        )
    return data
