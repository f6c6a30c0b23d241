"""Passwords that this process alone knows, for as long as it runs."""

from __future__ import annotations

import threading

from termmail.model.secret import Secret

_secrets: dict[str, Secret] = {}
_lock = threading.Lock()


def remember(account_name: str, secret: Secret) -> None:
    """Keep an account's password, or its refresh token, in memory until the process ends or `forget_remembered` is called."""
    with _lock:
        _secrets[account_name] = secret


def remembered(account_name: str) -> Secret | None:
    """What `remember` was given for an account."""
    with _lock:
        return _secrets.get(account_name)


def forget_remembered(account_name: str) -> None:
    """Forget it, if it is there."""
    with _lock:
        _secrets.pop(account_name, None)


def all_remembered() -> list[Secret]:
    """Everything that is remembered, for whoever cleans a log line."""
    with _lock:
        return list(_secrets.values())
