"""An account's status row: written when something changed, progress a few times a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import msgspec

from termmail.model.errors import CredentialUnavailable, InsecureConnection, Retry, SignInRefused, TermmailError
from termmail.model.status import AccountStatus, ConnectionState
from termmail.store.ingest import Ingest

_PROGRESS_SECONDS = 0.2


def state_after(error: TermmailError) -> ConnectionState:
    """What an account's line is in after an error."""
    match error:
        case SignInRefused() | CredentialUnavailable() if error.retry is Retry.NEVER:
            return ConnectionState.SIGN_IN
        case InsecureConnection():
            return ConnectionState.INSECURE
    return ConnectionState.WAITING


class StatusBoard:
    """Writes one account's row. Thread-safe. `listen` is told of each change as well."""

    def __init__(self, ingest: Ingest, account: str, listen: Callable[[AccountStatus], None] | None = None) -> None:
        self._ingest = ingest
        self._listen = listen
        self._lock = threading.Lock()
        self._status = AccountStatus(account, ConnectionState.UNKNOWN)
        self._progress_at = 0.0
        self._muted = False

    @property
    def status(self) -> AccountStatus:
        """As last said."""
        return self._status

    def say(
        self,
        state: ConnectionState,
        sentence: str = "",
        *,
        next_at: float = 0,
        synced_at: float = 0,
        plain: bool | None = None,
    ) -> None:
        """The account's line is in this state now; what ran no longer does."""
        with self._lock:
            self._write(
                msgspec.structs.replace(
                    self._status,
                    state=state,
                    sentence=sentence,
                    activity="",
                    done=0,
                    total=0,
                    size=0,
                    next_at=next_at,
                    synced_at=max(synced_at, self._status.synced_at),
                    plain=self._status.plain if plain is None else plain,
                )
            )

    def progress(self, activity: str, done: int, total: int, size: int = 0) -> None:
        """What runs, and how far it is; `size` in bytes."""
        now = time.monotonic()
        with self._lock:
            if activity == self._status.activity and now - self._progress_at < _PROGRESS_SECONDS:
                return
            self._progress_at = now
            self._write(msgspec.structs.replace(self._status, activity=activity, done=done, total=total, size=size))

    def mute(self, muted: bool) -> None:
        """While the network is switched off, what a connection still says on its way down does not matter."""
        with self._lock:
            if muted == self._muted:
                return
            if muted:
                self._put(
                    AccountStatus(self._status.account, ConnectionState.OFFLINE, synced_at=self._status.synced_at)
                )
            self._muted = muted

    def _write(self, status: AccountStatus) -> None:
        if not self._muted and status != self._status:
            self._put(status)

    def _put(self, status: AccountStatus) -> None:
        self._ingest.set_status(status)
        # Only now: what the disk refused is written the next time.
        self._status = status
        if self._listen is not None:
            self._listen(self._status)
