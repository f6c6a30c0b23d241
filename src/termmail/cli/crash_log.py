"""A line in the log for what nobody foresaw (C3, C4)."""

from __future__ import annotations

import os
import time
import traceback

from termmail.accounts.credentials import known_secrets
from termmail.accounts.home import find_home
from termmail.mime.safe_text import safe_text
from termmail.protocols.redact import Redactor


def log_crash(error: Exception, home_folder: str | None) -> str:
    """Append the error with its places in the code, without local variables or secrets; returns a sentence for the user."""
    said = Redactor(*known_secrets()).clean(safe_text(str(error), one_line=True))[:500]
    places = " < ".join(
        f"{os.path.basename(frame.filename)}:{frame.lineno} {frame.name}"  # noqa: PTH119
        for frame in reversed(traceback.extract_tb(error.__traceback__))
    )
    line = f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} ERROR cli {type(error).__name__}: {said} [{places}]\n"
    sentence = f"Something in termmail went wrong that should not have ({type(error).__name__})."
    path = find_home(home_folder).log_file
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8", errors="replace") as log:
            log.write(line)
    except OSError as failure:
        return f"{sentence} It could not be written to {path} ({failure.strerror}): {line.strip()}"
    return f"{sentence} Please report it with the last line of {path}."
