"""A pass over one account in a thread of its own, for the command line: side by side with those of other accounts, or followed where
the engine that runs makes it."""

from __future__ import annotations

import abc
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from termmail.engine.lock import engine_runs
from termmail.model.account import Account
from termmail.model.home import Home
from termmail.model.secret import Secret
from termmail.protocols.redact import Redactor

_LOOK_SECONDS = 0.05
_LOCK_SECONDS = 1.0


class AccountPass(abc.ABC):
    """One account's pass. `_stopped` is set when it is to end at once."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run_in_thread, name=account.name, daemon=True)
        self._unexpected: BaseException | None = None

    def start(self) -> None:
        self._thread.start()

    def wait(self) -> None:
        """Until it is over. Raises what `_run` raised."""
        while self._thread.is_alive():
            # In short waits, so that ^C gets through.
            self._thread.join(0.2)
        if self._unexpected is not None:
            raise self._unexpected

    def abort(self) -> None:
        """Stop at once, if it still runs."""
        self._stopped.set()
        if self._thread.is_alive():
            self._abort_connections()
            self._thread.join(3.0)

    def _run_in_thread(self) -> None:
        try:
            self._run()
        except BaseException as error:  # noqa: BLE001 - raised again by `wait` in the thread that waits
            self._unexpected = error

    @abc.abstractmethod
    def _run(self) -> None:
        """All there is to do; in the thread."""

    @abc.abstractmethod
    def _abort_connections(self) -> None:
        """End whatever waits for a server; called from another thread."""


def run_side_by_side(passes: Sequence[AccountPass]) -> None:
    """Until all are over; where this is interrupted, or one of them raises, the others are stopped. Raises what they raise."""
    try:
        for one in passes:
            one.start()
        for one in passes:
            one.wait()
    finally:
        for one in passes:
            one.abort()


def kept_from_log(password: Callable[[Account], Secret], redactor: Redactor) -> Callable[[Account], Secret]:
    """The same password, of which `redactor` knows before anybody uses it (C4)."""

    def get_password(account: Account) -> Secret:
        secret = password(account)
        redactor.add(secret)
        return secret

    return get_password


def while_engine_runs(home: Home) -> Iterator[None]:
    """A turn every 50 ms for as long as an engine has this home. Raises StorageFailed."""
    look_at = time.monotonic() + _LOCK_SECONDS
    while True:
        yield
        if time.monotonic() >= look_at:
            look_at = time.monotonic() + _LOCK_SECONDS
            if not engine_runs(home):
                return
        time.sleep(_LOOK_SECONDS)
