"""A line in the log for what nobody foresaw (C3, C4)."""

from __future__ import annotations

import os
import traceback

from termmail.accounts.home import find_home
from termmail.cli.log_line import append_line, clean_words, log_line

_LONGEST = 500


def log_crash(error: Exception, home_folder: str | None) -> str:
    """Append the error with its places in the code, without local variables or secrets; returns a sentence for the user."""
    places = " < ".join(
        f"{os.path.basename(frame.filename)}:{frame.lineno} {frame.name}"  # noqa: PTH119
        for frame in reversed(traceback.extract_tb(error.__traceback__))
    )
    line = log_line("ERROR", "cli", f"{type(error).__name__}: {clean_words(str(error))[:_LONGEST]} [{places}]")
    sentence = f"Something in termmail went wrong that should not have ({type(error).__name__})."
    path = find_home(home_folder).log_file
    try:
        append_line(path, line)
    except OSError as failure:
        return f"{sentence} It could not be written to {path} ({failure.strerror}): {line.strip()}"
    return f"{sentence} Please report it with the last line of {path}."
