"""The log file: private, bounded, without secrets (C4)."""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import sys

from termmail.model.home import Home
from termmail.protocols.redact import RedactingFilter, Redactor
from termmail.store.database import private_folder, storage_errors

_FILE_BYTES = 2_500_000
_FORMAT = "%(asctime)s %(levelname)s %(threadName)s: %(message)s"


class _LogFile(logging.handlers.RotatingFileHandler):
    """On a disk that is full lines are missing; the engine goes on, and what the person has to know is a row or a sentence."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        if not isinstance(sys.exception(), OSError):
            super().handleError(record)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            super().close()


def open_log(home: Home, redactor: Redactor) -> logging.Handler:
    """Log to the home's log file, at most 5 MB with the one before it. Raises StorageFailed. Close it with `close_log`."""
    private_folder(home.state)
    with storage_errors("open the log file"):
        handler = _LogFile(
            home.log_file, maxBytes=_FILE_BYTES, backupCount=1, encoding="utf-8", errors="backslashreplace"
        )
        home.log_file.chmod(0o600)
    handler.setFormatter(logging.Formatter(_FORMAT))
    handler.addFilter(RedactingFilter(redactor))
    logger = logging.getLogger("termmail")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    return handler


def close_log(handler: logging.Handler) -> None:
    """Stop logging to this handler."""
    logger = logging.getLogger("termmail")
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)
    logger.propagate = True
    handler.close()
