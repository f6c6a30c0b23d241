"""Keeps secrets out of logs, also when a server echoes them (C4)."""

from __future__ import annotations

import base64
import json
import logging
import re

from termmail.model.secret import Secret

_MARK = "***"
_SHORTEST_FRAGMENT = 4
_BEARER = re.compile(r"(?i)\b(bearer[ =:]+)[A-Za-z0-9._~+/=-]{8,}")


class Redactor:
    """Replaces each known secret in a text by `***`: plain, quoted as IMAP, JSON and Python do, and in base64, alone or
    inside something longer such as SASL PLAIN's `\\0user\\0password`."""

    def __init__(self, *secrets: Secret) -> None:
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        for secret in secrets:
            self.add(secret)

    def add(self, secret: Secret) -> None:
        """Know one more secret."""
        value = secret.reveal()
        if not value or value in self._forms:
            return
        self._forms |= _forms(value)
        longest_first = sorted(self._forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(re.escape(form) for form in longest_first))

    def clean(self, text: str) -> str:
        """`text` without any of them."""
        if self._pattern is not None:
            text = self._pattern.sub(_MARK, text)
        return _BEARER.sub(rf"\g<1>{_MARK}", text)


class RedactingFilter(logging.Filter):
    """A logging filter that cleans every record, its arguments and its traceback."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = self._redactor.clean(record.getMessage())
        record.args = None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self._redactor.clean(record.exc_text)
        return True


def _forms(value: str) -> set[str]:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    forms = {value, quoted, repr(value)[1:-1], json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    raw = value.encode("utf-8", "surrogatepass")
    forms.add(repr(raw)[2:-1])
    forms.add(base64.b64encode(raw).decode())
    for lead in range(3):
        # Of the secret somewhere inside something encoded, only the characters that depend on nothing else are known.
        encoded = base64.b64encode(b"\0" * lead + raw).decode().rstrip("=")
        first = (lead * 8 + 5) // 6
        last = (lead + len(raw)) * 8 // 6
        fragment = encoded[first:last]
        if len(fragment) >= _SHORTEST_FRAGMENT:
            forms.add(fragment)
    return forms
