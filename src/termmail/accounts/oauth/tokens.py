"""Access tokens, in memory only, and the refresh tokens they come from, which live where passwords do (C5).

Refresh tokens may be good for one use (rotation), and several processes may use the same one: whoever uses it holds a lock of the
user's, and the next is in the keyring before the lock is let go.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from termmail.accounts import keyring_entries
from termmail.accounts.keyring_entries import TOKEN_ALTERNATIVES
from termmail.accounts.oauth.requests import Route, host_of
from termmail.accounts.oauth.server import GrantRefused, client_refused, refresh_tokens, with_endpoints
from termmail.accounts.session_secrets import remember, remembered
from termmail.model.account import Account
from termmail.model.errors import (
    Advice,
    ConfigError,
    ConnectionLost,
    CredentialUnavailable,
    SignInRefused,
    StorageFailed,
    TermmailError,
)
from termmail.model.oauth import OAuthProvider, Tokens
from termmail.model.secret import AccessToken, Secret

_log = logging.getLogger(__name__)

_MARGIN_SECONDS = 60.0
_TEMPORARY = {"temporarily_unavailable", "server_error", "slow_down"}


class _Held(msgspec.Struct):
    """An account's access token, and until when (seconds of `_now`) it is good; the refresh token it came from."""

    access: AccessToken
    good_until: float
    refresh: Secret


_held: dict[str, _Held] = {}
_refused: dict[str, tuple[Secret, str]] = {}
_memory = threading.Lock()


def access_token(account: Account) -> AccessToken:
    """A token that is good for a while, refreshed if need be.

    Raises SignInRefused where the person has to sign in again, CredentialUnavailable where nobody has signed in yet or the keyring
    does not answer, ConnectionLost where the server does not, ConfigError, InsecureConnection, StorageFailed.
    """
    key = keyring_name(account)
    held = _good(key)
    if held is not None:
        return held
    with _lock(key):
        held = _good(key)
        return held if held is not None else _refresh(account, key)


def discard(account: Account, refused: AccessToken) -> None:
    """This token was refused by a server: it is not given again."""
    with _memory:
        held = _held.get(keyring_name(account))
        if held is not None and held.access == refused:
            held.good_until = 0.0


def store_sign_in(account: Account, signed_in: Tokens) -> None:
    """Keep a new sign-in: the refresh token in the keyring. Raises CredentialUnavailable, StorageFailed, SignInRefused."""
    key = keyring_name(account)
    refresh = _lasting(account, signed_in)
    with _lock(key):
        keyring_entries.write_entry(key, refresh, TOKEN_ALTERNATIVES)
        _hold(key, signed_in, refresh, _now())


def remember_sign_in(account: Account, signed_in: Tokens) -> Secret:
    """Keep a new sign-in in memory alone; returns the refresh token. Raises SignInRefused, StorageFailed."""
    key = keyring_name(account)
    refresh = _lasting(account, signed_in)
    with _lock(key):
        remember(key, refresh)
        _hold(key, signed_in, refresh, _now())
    return refresh


def forget(account: Account) -> None:
    """Forget the account's access token."""
    with _memory:
        _held.pop(keyring_name(account), None)


def known_secrets() -> list[Secret]:
    """All tokens in memory, for whoever cleans a log line."""
    with _memory:
        return [secret for held in _held.values() for secret in (held.access, held.refresh)]


def keyring_name(account: Account) -> str:
    """Under which name the keyring has the account's refresh token."""
    provider = account.credential.provider
    return f"{account.user} oauth2 {'' if provider is None else provider.name}"


def sign_in_again(account: Account) -> Advice:
    """What to do where a sign-in is no longer accepted."""
    return Advice("Sign in again.", _sign_in(account))


def _sign_in(account: Account) -> str:
    return f"termmail account sign-in {account.name}"


def _refresh(account: Account, key: str) -> AccessToken:
    provider = account.credential.provider
    if provider is None:
        raise ConfigError(
            f'The account "{account.name}" names no OAuth 2 provider. Write for example oauth = "google".'
        )
    in_memory = remembered(key)
    refresh = in_memory or keyring_entries.read_entry(key, TOKEN_ALTERNATIVES)
    if refresh is None:
        raise CredentialUnavailable(
            f'Nobody has signed in to "{account.name}" yet. Sign in.', command=_sign_in(account)
        )
    with _memory:
        known_bad, why = _refused.get(key, (None, ""))
    if known_bad == refresh:
        raise SignInRefused(why, command=_sign_in(account))
    route = Route(account.ca_file, account.proxy)
    provider = with_endpoints(provider, route)
    asked_at = _now()
    try:
        given = refresh_tokens(provider, refresh, route)
    except GrantRefused as refused:
        error = _no_longer(account, provider, refused)
        if isinstance(error, SignInRefused):
            with _memory:
                _refused[key] = refresh, error.sentence
                _held.pop(key, None)
        raise error from refused
    if given.refresh is not None and given.refresh != refresh:
        _keep_rotated(account, key, given.refresh, in_keyring=in_memory is None)
    _hold(key, given, given.refresh or refresh, asked_at)
    return given.access


def _keep_rotated(account: Account, key: str, refresh: Secret, *, in_keyring: bool) -> None:
    """The next refresh token in the place of the one that was used up, before anything is done with what it gave."""
    if in_keyring:
        try:
            keyring_entries.write_entry(key, refresh, TOKEN_ALTERNATIVES)
            return
        except CredentialUnavailable as error:
            # The old one is used up, so this process goes on with what it has; the next one may have to ask for a sign-in.
            _log.warning("the new sign-in of %s stays in memory only: %s", account.name, error.sentence)
    remember(key, refresh)


def _no_longer(account: Account, provider: OAuthProvider, refused: GrantRefused) -> TermmailError:
    if refused.code in _TEMPORARY:
        return ConnectionLost(
            f"{host_of(provider.token_url)} can't sign anybody in at the moment{refused.words}. It is tried again.",
            detail=refused.code,
        )
    if (error := client_refused(provider, refused)) is not None:
        return error
    return SignInRefused(
        f"{provider.label} no longer accepts the sign-in of {account.user}: it was revoked or has expired. Sign in again.",
        command=_sign_in(account),
        detail=f"{refused.code}{refused.words}",
    )


def _lasting(account: Account, signed_in: Tokens) -> Secret:
    if signed_in.refresh is not None:
        return signed_in.refresh
    provider = account.credential.provider
    name = "" if provider is None else provider.name
    raise SignInRefused(
        "The sign-in would end within the hour: the server gave no refresh token. Add a scope for that, such as offline_access, to"
        f" scopes in [oauth.{name}]."
    )


def _good(key: str) -> AccessToken | None:
    with _memory:
        held = _held.get(key)
        return held.access if held is not None and _now() < held.good_until else None


def _hold(key: str, given: Tokens, refresh: Secret, asked_at: float) -> None:
    margin = min(_MARGIN_SECONDS, given.lifetime / 10)
    with _memory:
        _held[key] = _Held(given.access, asked_at + given.lifetime - margin, refresh)
        _refused.pop(key, None)


def _now() -> float:
    """Seconds that no setting of the clock changes, and that go on while the computer sleeps where it can tell."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


@contextlib.contextmanager
def _lock(key: str) -> Iterator[None]:
    """One user of a refresh token at a time, over all threads and processes of this user's. Raises StorageFailed."""
    folder = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"termmail-{os.getuid()}"
    path = folder / f"oauth-{hashlib.sha256(key.encode()).hexdigest()[:16]}.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise StorageFailed(f"{folder} is not a folder of yours, so no sign-in can be renewed. Remove it.")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise StorageFailed(f"{path} could not be made: {error.strerror}.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
