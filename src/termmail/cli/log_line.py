"""One line for the log file from a process that is not the engine (C3, C4)."""

from __future__ import annotations

import os
import time
from pathlib import Path


def log_line(level: str, who: str, words: str) -> str:
    """A line of the log; `words` were cleaned (`clean_words`)."""
    return f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {level} {who} {words}\n"


def clean_words(words: str) -> str:
    """On one line, without the secrets that this process knows and without what could steer a terminal.

    Only the whole is cleaned well: of a secret that was cut nobody knows any more that it is one.
    """
    # Not needed before there is something to log.
    from termmail.accounts.credentials import known_secrets
    from termmail.mime.safe_text import safe_text
    from termmail.protocols.redact import Redactor

    return Redactor(*known_secrets()).clean(safe_text(words, one_line=True))


def append_line(file: Path, line: str) -> None:
    """Append a line to the log file. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "a", encoding="utf-8", errors="replace") as log:
        log.write(line)
