"""IDLE on the inbox, and NOTIFY for the rest, over a connection of its own, renewed before anything on the way forgets it (T14)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from termmail.engine.connector import STEADY_SECONDS, Connector, back_off
from termmail.model.errors import Cancelled, Retry, ServerRefused, TermmailError
from termmail.protocols.imap import ImapSession

_log = logging.getLogger(__name__)

RENEW_SECONDS = 9 * 60
_INBOX = b"INBOX"


class IdleWatch:
    """Tells as soon as the inbox changes, with NOTIFY any mailbox. A thread that ends with `stop`, or where there is no IDLE."""

    def __init__(
        self,
        name: str,
        connector: Connector[ImapSession],
        on_change: Callable[[], None],
        *,
        renew_seconds: float = RENEW_SECONDS,
    ) -> None:
        self._connector = connector
        self._on_change = on_change
        self._renew_seconds = renew_seconds
        self._stopped = threading.Event()
        self._session: ImapSession | None = None
        self._thread = threading.Thread(target=self._run, name=f"{name} idle", daemon=True)
        self.watches = False
        """Whether changes of the inbox are being told at the moment."""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End it; returns at once."""
        self._stopped.set()
        session = self._session
        if session is not None:
            session.abort()

    def join(self, seconds: float) -> None:
        """Wait for its end."""
        self._thread.join(seconds)

    def _run(self) -> None:
        failures = 0
        while not self._stopped.is_set():
            began = time.monotonic()
            try:
                if not self._watch():
                    return
            except Cancelled:
                return
            except TermmailError as error:
                _log.info("%s", error.sentence)
                if not failures or self.watches or error.retry is Retry.NEVER:
                    # The account's own connection meets the same trouble, if it is one of the server, and tells the user.
                    self._on_change()
                if error.retry is Retry.NEVER:
                    return
            except Exception:  # noqa: BLE001 - logged with its cause, and the thread has to go on
                _log.exception("the idle connection failed")
            finally:
                self.watches = False
            failures = 1 if time.monotonic() - began > STEADY_SECONDS else failures + 1
            self._stopped.wait(back_off(failures))

    def _watch(self) -> bool:
        """Watch until the connection ends; False where the server has no IDLE."""
        session = self._connector.connect(self._stopped.is_set)
        self._session = session
        try:
            if not session.has("IDLE"):
                return False
            session.select(_INBOX, read_only=True)
            try:
                # Where that is offered, the other mailboxes are watched as well (RFC 5465).
                session.notify_start()
            except ServerRefused as error:
                _log.info("%s", error.sentence)
            if self._stopped.is_set():
                return False
            self.watches = True
            _log.info("waiting for changes of the inbox")
            # Something may have come between the last pass and now.
            self._on_change()
            while not self._stopped.is_set():
                if session.idle(until=time.monotonic() + self._renew_seconds, wake=None):
                    self._on_change()
            return False
        finally:
            self._session = None
            self._connector.drop(session)
