"""Connections of one account: never more than one new one a second, back-off with jitter, aborted from outside (T15)."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from termmail.accounts import credentials
from termmail.model.account import Account, Server
from termmail.model.errors import Cancelled, PasswordRefused, SignInRefused, TokenRefused
from termmail.model.secret import Secret

_log = logging.getLogger(__name__)

_BETWEEN_SECONDS = 1.0
_LONGEST_SECONDS = 300.0
STEADY_SECONDS = 30.0
"""A connection that lasted this long was a good one: the next failure starts with a short pause again."""


def back_off(failures: int) -> float:
    """Seconds to wait after so many failures in a row: about 1, 2, 4 … up to 300, each with jitter."""
    return min(_LONGEST_SECONDS, 2.0 ** min(failures - 1, 10)) * random.uniform(0.75, 1.25)


class Session(Protocol):
    """A connection that is signed in. `close` and `abort` never raise; `abort` may come from any thread."""

    def close(self) -> None: ...
    def abort(self) -> None: ...


SessionT = TypeVar("SessionT", bound=Session)
SessionT_co = TypeVar("SessionT_co", bound=Session, covariant=True)


class OpenSession(Protocol[SessionT_co]):
    """How a protocol connects and signs in, as `protocols.imap.connect` does."""

    def __call__(
        self,
        server: Server,
        user: str,
        password: Secret,
        *,
        ca_file: str = "",
        proxy: str = "",
        trace: Callable[[str], None] | None = None,
        on_abort: Callable[[Callable[[], None]], None] | None = None,
    ) -> SessionT_co: ...


class Connector(Generic[SessionT]):
    """Opens the connections of one account to `server`, the one it receives from unless said otherwise. Thread-safe; `abort_all` ends
    all of them from any thread."""

    def __init__(
        self,
        account: Account,
        password: Callable[[Account], Secret],
        open_session: OpenSession[SessionT],
        *,
        server: Server | None = None,
    ) -> None:
        self._account = account
        self._server = server or account.incoming
        self._password = password
        self._open_session = open_session
        self._gate = threading.Lock()
        self._last = -_BETWEEN_SECONDS
        self._open: set[SessionT] = set()
        self._connecting: Callable[[], None] | None = None
        self._open_lock = threading.Lock()

    def connect(self, should_stop: Callable[[], bool]) -> SessionT:
        """A new signed-in session. Raises what the protocol's `connect` does, CredentialUnavailable, or Cancelled."""
        with self._gate:
            secret = self._password(self._account)
            try:
                session = self._open_one(secret, should_stop)
            except TokenRefused as error:
                # It may have ended early: another one is tried, once (T12).
                credentials.discard(self._account, secret)
                renewed = self._password(self._account) if error.renewable else secret
                if renewed == secret:
                    raise self._advised(error) from error
                session = self._open_again(renewed, should_stop)
            except PasswordRefused as error:
                raise self._advised(error) from error
        with self._open_lock:
            self._open.add(session)
        if should_stop():
            self.drop(session)
            raise Cancelled("Stopped.")
        return session

    def _open_again(self, renewed: Secret, should_stop: Callable[[], bool]) -> SessionT:
        try:
            return self._open_one(renewed, should_stop)
        except TokenRefused as error:
            raise self._advised(error) from error

    def _open_one(self, secret: Secret, should_stop: Callable[[], bool]) -> SessionT:
        while (left := self._last + _BETWEEN_SECONDS - time.monotonic()) > 0:
            if should_stop():
                raise Cancelled("Stopped.")
            time.sleep(min(left, 0.1))
        if should_stop():
            raise Cancelled("Stopped.")
        self._last = time.monotonic()
        try:
            return self._open_session(
                self._server,
                self._account.user,
                secret,
                ca_file=self._account.ca_file,
                proxy=self._account.proxy,
                trace=_trace(),
                on_abort=self._note_connecting,
            )
        finally:
            with self._open_lock:
                self._connecting = None

    def _advised(self, error: PasswordRefused | TokenRefused) -> SignInRefused:
        advice = credentials.advice_when_refused(self._account)
        sentence = f"{error.sentence} {advice.sentence}"
        if isinstance(error, TokenRefused):
            return TokenRefused(sentence, renewable=False, command=advice.command, detail=error.detail)
        return PasswordRefused(sentence, command=advice.command, detail=error.detail)

    def _note_connecting(self, abort: Callable[[], None]) -> None:
        with self._open_lock:
            self._connecting = abort

    def close(self, session: SessionT) -> None:
        """Sign out and close; never raises."""
        with self._open_lock:
            self._open.discard(session)
        session.close()

    def drop(self, session: SessionT) -> None:
        """Close at once, without a word to the server; never raises."""
        with self._open_lock:
            self._open.discard(session)
        session.abort()
        session.close()

    def abort_connecting(self) -> None:
        """End the connection that is being made, if one is; `connect` raises Cancelled. From any thread."""
        with self._open_lock:
            abort = self._connecting
        if abort is not None:
            abort()

    def abort_all(self) -> None:
        """End whatever waits on any of the sessions at once."""
        with self._open_lock:
            aborts = [session.abort for session in self._open]
            if self._connecting is not None:
                aborts.append(self._connecting)
        for abort in aborts:
            abort()


def _trace() -> Callable[[str], None] | None:
    return _log.debug if _log.isEnabledFor(logging.DEBUG) else None
