"""What an account signs in with: a password, or an OAuth 2 access token; from the keyring, from a command, or for this session alone
(C1, C2, C5)."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess

from termmail.accounts import keyring_entries, session_secrets
from termmail.accounts.oauth import tokens
from termmail.mime.safe_text import safe_text
from termmail.model.account import Account, CredentialKind
from termmail.model.errors import Advice, CredentialUnavailable
from termmail.model.oauth import Tokens
from termmail.model.secret import AccessToken, Secret

COMMAND_SECONDS = 60.0
"""How long a command may take: somebody may have to type a passphrase."""


def password(account: Account) -> Secret:
    """What to sign in with, an AccessToken where the account uses OAuth 2. May take seconds.

    A password given to `remember` in this process comes first, whatever the account says. Raises
    CredentialUnavailable with what to do; for OAuth 2 also SignInRefused where the person has to sign in again, ConnectionLost,
    ConfigError, InsecureConnection, StorageFailed.
    """
    kind = account.credential.kind
    if kind is CredentialKind.OAUTH2:
        return tokens.access_token(account)
    if kind is CredentialKind.TOKEN_COMMAND:
        return AccessToken(_from_command(account, "token"))
    typed = session_secrets.remembered(keyring_name(account))
    if typed is not None:
        return typed
    match kind:
        case CredentialKind.COMMAND:
            return Secret(_from_command(account, "password"))
        case CredentialKind.SESSION:
            raise CredentialUnavailable(
                f'The password of "{account.name}" is asked for each time. Type it.',
                command=f"termmail sync {account.name}",
            )
        case CredentialKind.KEYRING:
            return _from_keyring(account)


def discard(account: Account, refused: Secret) -> None:
    """An access token that a server refused is not given again; `password` gets a new one."""
    if account.credential.kind is CredentialKind.OAUTH2 and isinstance(refused, AccessToken):
        tokens.discard(account, refused)


def known_secrets() -> list[Secret]:
    """All that this process was told or has been given, for whoever cleans a log line (C4)."""
    return session_secrets.all_remembered() + tokens.known_secrets()


def remember(account: Account, secret: Secret) -> None:
    """Keep a password, or a refresh token, in this process's memory alone, for what the account signs in to now."""
    session_secrets.remember(keyring_name(account), secret)


def store_password(account: Account, secret: Secret) -> None:
    """Put the password into the system's keyring. Raises CredentialUnavailable with the other ways there are."""
    keyring_entries.write_entry(keyring_name(account), secret, keyring_entries.PASSWORD_ALTERNATIVES)


def store_sign_in(account: Account, signed_in: Tokens) -> None:
    """Keep what a sign-in by OAuth 2 yielded: the refresh token in the keyring, the access token in memory.

    Raises CredentialUnavailable where the keyring can't keep it, StorageFailed.
    """
    tokens.store_sign_in(account, signed_in)


def kept(account: Account) -> Secret | None:
    """What the keyring has for an account now, a password or a refresh token. Raises CredentialUnavailable."""
    return keyring_entries.read_entry(keyring_name(account), _alternatives(account))


def put_back(account: Account, earlier: Secret | None) -> None:
    """Undo `store_password` or `store_sign_in`: the keyring has again what was `kept` before. Raises CredentialUnavailable."""
    forget_in_memory(account)
    if earlier is None:
        keyring_entries.delete_entry(keyring_name(account), _alternatives(account))
    else:
        keyring_entries.write_entry(keyring_name(account), earlier, _alternatives(account))


def remember_sign_in(account: Account, signed_in: Tokens) -> Secret:
    """Keep what a sign-in yielded in this process's memory alone; returns the refresh token, for an engine that runs."""
    return tokens.remember_sign_in(account, signed_in)


def check_keyring(account: Account) -> None:
    """Before a person types a password or signs in: is there a keyring, and open? Raises CredentialUnavailable with the other ways."""
    kept(account)


def advice_when_refused(account: Account) -> Advice:
    """What to do where the server refused the account's password."""
    match account.credential.kind:
        case CredentialKind.COMMAND:
            return Advice(
                f'Run the password command of "{account.name}" by hand: the first line that it prints must be the password.'
            )
        case CredentialKind.SESSION:
            return Advice("Type it again.")
        case CredentialKind.KEYRING:
            return Advice("Type it again.", _new_password(account))
        case CredentialKind.OAUTH2:
            return tokens.sign_in_again(account)
        case CredentialKind.TOKEN_COMMAND:
            return Advice(
                f'Run the token command of "{account.name}" by hand: the first line that it prints must be an access token for'
                " mail that has not expired."
            )


def forget(account: Account) -> None:
    """Take the password out of memory and of the keyring, if it is there. Raises CredentialUnavailable."""
    forget_in_memory(account)
    if account.credential.kind in (CredentialKind.KEYRING, CredentialKind.OAUTH2):
        keyring_entries.delete_entry(keyring_name(account), _alternatives(account))


def forget_in_memory(account: Account) -> None:
    """What this process was told or given is asked for anew."""
    session_secrets.forget_remembered(keyring_name(account))
    tokens.forget(account)


def keyring_name(account: Account) -> str:
    """Under which name the keyring has the password: the sign-in name at the host, whatever the account is called here. A refresh
    token has another, so that neither is ever sent in place of the other."""
    if account.credential.kind is CredentialKind.OAUTH2:
        return tokens.keyring_name(account)
    return f"{account.user}@{account.incoming.host}"


def _new_password(account: Account) -> str:
    return f"termmail account edit {account.name} --password-stdin"


def _alternatives(account: Account) -> Advice:
    oauth = account.credential.kind is CredentialKind.OAUTH2
    return keyring_entries.TOKEN_ALTERNATIVES if oauth else keyring_entries.PASSWORD_ALTERNATIVES


def _from_keyring(account: Account) -> Secret:
    found = keyring_entries.read_entry(keyring_name(account), keyring_entries.PASSWORD_ALTERNATIVES)
    if found is None:
        raise CredentialUnavailable(
            f'The keyring has no password for "{account.name}" ({keyring_name(account)}). Type it.',
            command=_new_password(account),
        )
    return found


def _from_command(account: Account, what: str) -> str:
    """The first line that the account's command prints; `what` is "password" or "token"."""
    try:
        process = subprocess.Popen(
            account.credential.command,
            shell=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise CredentialUnavailable(f'The {what} command of "{account.name}" could not be started.') from error
    try:
        output, complaint = process.communicate(timeout=COMMAND_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise CredentialUnavailable(
            f'The {what} command of "{account.name}" did not end within {COMMAND_SECONDS:.0f} seconds. Run it by hand to see why.'
        ) from None
    first = output.split(b"\n", 1)[0].rstrip(b"\r")
    if process.returncode:
        said = safe_text(complaint.split(b"\n", 1)[0][:200], one_line=True)
        raise CredentialUnavailable(
            f'The {what} command of "{account.name}" failed with exit code {process.returncode}'
            + (f': "{said}".' if said else ".")
            + " Run it by hand to see why."
        )
    if not first:
        raise CredentialUnavailable(
            f'The {what} command of "{account.name}" printed nothing. Its first line must be the {what}.'
        )
    try:
        return first.decode()
    except UnicodeDecodeError:
        raise CredentialUnavailable(
            f'The {what} command of "{account.name}" printed something that is not UTF-8.'
        ) from None
