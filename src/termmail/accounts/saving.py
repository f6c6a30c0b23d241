"""An account and its password written together: either both are there, or neither."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import msgspec

from termmail.accounts import config, credentials
from termmail.accounts.config import Config
from termmail.model.account import Account, CredentialKind
from termmail.model.errors import TermmailError
from termmail.model.home import Home
from termmail.model.oauth import Tokens
from termmail.model.secret import Secret

_IN_KEYRING = (CredentialKind.KEYRING, CredentialKind.OAUTH2)


def keep_provider(home: Home, account: Account) -> Account:
    """Write the OAuth 2 provider that an account signs in with, where the config file does not have it so; returns the account as the
    file then says it. Raises ConfigError, StorageFailed."""
    provider = account.credential.provider
    if provider is None:
        return account
    known = config.load(home).provider(provider.name)
    if known != provider:
        known = config.edit_provider(home, provider).provider(provider.name)
    return msgspec.structs.replace(account, credential=msgspec.structs.replace(account.credential, provider=known))


def add_account(home: Home, account: Account, secret: Secret | Tokens | None) -> Config:
    """Write a new account, and its password, or what its sign-in yielded, into the keyring where it is for that; returns the new
    configuration.

    Raises ConfigError, StorageFailed, CredentialUnavailable; then nothing was written.
    """
    with _kept(account, secret):
        return config.add_account(home, account)


def change_account(home: Home, before: Account, after: Account, secret: Secret | Tokens | None) -> tuple[Config, str]:
    """Write what is different; the keyring follows, whether to a new server, a new password or another way to get it.

    Returns the new configuration, and a sentence where the old password may still be in the keyring. Raises ConfigError, StorageFailed,
    CredentialUnavailable; then file and keyring are as they were.
    """
    was = before.credential.kind in _IN_KEYRING
    is_ = after.credential.kind in _IN_KEYRING
    same = credentials.keyring_name(before) == credentials.keyring_name(after)
    alike = before.credential.kind is after.credential.kind is CredentialKind.KEYRING
    if alike and secret is None and not same:
        secret = credentials.password(before)
    with _kept(after, secret):
        changed = config.edit_account(home, after)
    return changed, _forget(before, changed) if was and not (is_ and same) else ""


def remove_account(home: Home, account: Account) -> tuple[Config, str]:
    """Take an account out of the file and its password out of the keyring; its mail stays.

    Returns the new configuration, and a sentence where the password may still be in the keyring. Raises ConfigError, StorageFailed.
    """
    changed = config.remove_account(home, account.name)
    return changed, _forget(account, changed)


@contextlib.contextmanager
def _kept(account: Account, secret: Secret | Tokens | None) -> Iterator[None]:
    """The keyring has what the account signs in with, if it is for that, before the block writes the file; where that fails the keyring
    gets back what it had. So the file never names a password that is nowhere.
    """
    kind = account.credential.kind
    earlier = None
    if isinstance(secret, Tokens) and kind in _IN_KEYRING:
        earlier = credentials.kept(account)
        credentials.store_sign_in(account, secret)
    elif isinstance(secret, Secret) and kind is CredentialKind.KEYRING:
        earlier = credentials.kept(account)
        credentials.store_password(account, secret)
    else:
        yield
        return
    try:
        yield
    except TermmailError as error:
        try:
            credentials.put_back(account, earlier)
        except TermmailError as again:
            error.sentence += f" The keyring may have the new password all the same. {again.sentence}"
        raise


def _forget(account: Account, changed: Config) -> str:
    """Drop a password that no account uses any more."""
    if account.credential.kind in _IN_KEYRING and any(
        other.credential.kind in _IN_KEYRING and credentials.keyring_name(other) == credentials.keyring_name(account)
        for other in changed.accounts
    ):
        return ""
    try:
        credentials.forget(account)
    except TermmailError as error:
        return f"The password may still be in the keyring. {error.sentence}"
    return ""
