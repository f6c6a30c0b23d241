"""An account and its password written together: either both are there, or neither."""

from __future__ import annotations

import contextlib

from termmail.accounts import config, credentials
from termmail.accounts.config import Config
from termmail.model.account import Account, CredentialKind
from termmail.model.errors import TermmailError
from termmail.model.home import Home
from termmail.model.secret import Secret


def add_account(home: Home, account: Account, secret: Secret | None) -> Config:
    """Write a new account, and `secret` into the keyring where it is for that; returns the new configuration.

    Raises ConfigError, StorageFailed, CredentialUnavailable; then nothing was written.
    """
    keeps = secret is not None and account.credential.kind is CredentialKind.KEYRING
    if keeps:
        assert secret is not None
        credentials.store_password(account, secret)
    try:
        return config.add_account(home, account)
    except TermmailError:
        if keeps:
            with contextlib.suppress(TermmailError):
                credentials.forget(account)
        raise


def change_account(home: Home, before: Account, after: Account, secret: Secret | None) -> tuple[Config, str]:
    """Write what is different; the keyring follows, whether to a new server, a new password or another way to get it.

    Returns the new configuration, and a sentence where the old password may still be in the keyring. Raises ConfigError, StorageFailed,
    CredentialUnavailable.
    """
    was = before.credential.kind is CredentialKind.KEYRING
    is_ = after.credential.kind is CredentialKind.KEYRING
    same = credentials.keyring_name(before) == credentials.keyring_name(after)
    if is_ and secret is None and was and not same:
        secret = credentials.password(before)
    if is_ and secret is not None:
        credentials.store_password(after, secret)
    changed = config.edit_account(home, after)
    return changed, _forget(before, changed) if was and not (is_ and same) else ""


def remove_account(home: Home, account: Account) -> tuple[Config, str]:
    """Take an account out of the file and its password out of the keyring; its mail stays.

    Returns the new configuration, and a sentence where the password may still be in the keyring. Raises ConfigError, StorageFailed.
    """
    changed = config.remove_account(home, account.name)
    return changed, _forget(account, changed)


def _forget(account: Account, changed: Config) -> str:
    """Drop a password that no account uses any more."""
    if account.credential.kind is CredentialKind.KEYRING and any(
        other.credential.kind is CredentialKind.KEYRING
        and credentials.keyring_name(other) == credentials.keyring_name(account)
        for other in changed.accounts
    ):
        return ""
    try:
        credentials.forget(account)
    except TermmailError as error:
        return f"The password may still be in the keyring. {error.sentence}"
    return ""
