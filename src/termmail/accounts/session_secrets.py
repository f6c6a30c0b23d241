"""Passwords that this process alone knows, for as long as it runs, by what they sign in to (`credentials.keyring_name`).

Not by the name of an account, which may be changed to sign in elsewhere.
"""

from __future__ import annotations

import threading

from termmail.model.secret import Secret

_secrets: dict[str, Secret] = {}
_lock = threading.Lock()


def remember(keyring_name: str, secret: Secret) -> None:
    """Keep a password, or a refresh token, in memory until the process ends or `forget_remembered` is called."""
    with _lock:
        _secrets[keyring_name] = secret


def remembered(keyring_name: str) -> Secret | None:
    """What `remember` was given under a name."""
    with _lock:
        return _secrets.get(keyring_name)


def forget_remembered(keyring_name: str) -> None:
    """Forget it, if it is there."""
    with _lock:
        _secrets.pop(keyring_name, None)


def all_remembered() -> list[Secret]:
    """Everything that is remembered, for whoever cleans a log line."""
    with _lock:
        return list(_secrets.values())
