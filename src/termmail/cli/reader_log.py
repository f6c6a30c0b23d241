"""What the mail reader's own process has to log, in the file that the engine logs to (C4)."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from termmail.cli.log_line import append_line, clean_words, log_line
from termmail.model.home import Home


class _ReaderLog(logging.Handler):
    """Opens the file for each line: there are few, and the engine may have begun a new file meanwhile."""

    def __init__(self, home: Home) -> None:
        super().__init__(logging.WARNING)
        self._home = home

    def emit(self, record: logging.LogRecord) -> None:
        # A disk that is full: lines are missing, as in the engine's log. What the person has to know is on the screen.
        with contextlib.suppress(OSError):
            line = log_line(record.levelname, "reader", clean_words(record.getMessage()))
            append_line(self._home.log_file, line)


@contextlib.contextmanager
def reader_log(home: Home) -> Iterator[None]:
    """Log warnings and errors of this process to the home's log file."""
    handler = _ReaderLog(home)
    logger = logging.getLogger("termmail")
    propagates, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagates
