"""An account's password: from the system's keyring, from a command, or typed for this session (C1, C2)."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from termmail.mime.safe_text import safe_text
from termmail.model.account import Account, CredentialKind
from termmail.model.errors import CredentialUnavailable
from termmail.model.secret import Secret

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

Result = TypeVar("Result")

KEYRING_SECONDS = 5.0
"""How long the keyring may take before it counts as silent (C1)."""

COMMAND_SECONDS = 60.0
"""How long a password command may take: somebody may have to type a passphrase."""

_SERVICE = "termmail"
_ALTERNATIVES = "Other ways: --password-command 'pass show mail/me' takes it from a password manager, --password-ask asks each time."
_session: dict[str, Secret] = {}
_session_lock = threading.Lock()


def password(account: Account) -> Secret:
    """The password to sign in with. May take seconds. Raises CredentialUnavailable with what to do.

    A password given to `remember` in this process comes first, whatever the account says.
    """
    with _session_lock:
        remembered = _session.get(account.name)
    if remembered is not None:
        return remembered
    match account.credential.kind:
        case CredentialKind.COMMAND:
            return _from_command(account)
        case CredentialKind.SESSION:
            raise CredentialUnavailable(
                f'The password of "{account.name}" is asked for each time. Type it in the mail reader with g k,'
                f" or on a terminal with: termmail sync {account.name}"
            )
        case CredentialKind.KEYRING:
            return _from_keyring(account)


def remember(account_name: str, secret: Secret) -> None:
    """Keep a password in this process's memory, until it ends or `forget` is called."""
    with _session_lock:
        _session[account_name] = secret


def known_secrets() -> list[Secret]:
    """What `remember` holds, for whoever cleans a log line."""
    with _session_lock:
        return list(_session.values())


def store_password(account: Account, secret: Secret) -> None:
    """Put the password into the system's keyring. Raises CredentialUnavailable with the other ways there are."""

    def store(keyring: KeyringBackend) -> None:
        keyring.set_password(_SERVICE, keyring_name(account), secret.reveal())

    _with_keyring(store, "keep a password")


def check_keyring(account: Account) -> None:
    """Before a person types a password for the keyring: is there one, and open? Raises CredentialUnavailable with the other ways."""

    def get(keyring: KeyringBackend) -> None:
        keyring.get_password(_SERVICE, keyring_name(account))

    _with_keyring(get, "be asked for a password")


def advice_when_refused(account: Account) -> str:
    """What to do where the server refused the account's password, as a sentence."""
    match account.credential.kind:
        case CredentialKind.COMMAND:
            return f'Run the password command of "{account.name}" by hand: the first line that it prints must be the password.'
        case CredentialKind.SESSION:
            return "Type it again."
        case CredentialKind.KEYRING:
            return f"Give the right one with: termmail account edit {account.name} --password-stdin"


def forget(account: Account) -> None:
    """Take the password out of memory and of the keyring, if it is there. Raises CredentialUnavailable."""
    with _session_lock:
        _session.pop(account.name, None)
    if account.credential.kind is not CredentialKind.KEYRING:
        return

    def delete(keyring: KeyringBackend) -> None:
        if keyring.get_password(_SERVICE, keyring_name(account)) is not None:
            keyring.delete_password(_SERVICE, keyring_name(account))

    _with_keyring(delete, "forget a password")


def keyring_name(account: Account) -> str:
    """Under which name the keyring has the password: the sign-in name at the host, whatever the account is called here."""
    return f"{account.user}@{account.incoming.host}"


def _from_keyring(account: Account) -> Secret:
    def get(keyring: KeyringBackend) -> str | None:
        return keyring.get_password(_SERVICE, keyring_name(account))

    found = _with_keyring(get, "give a password")
    if found is None:
        raise CredentialUnavailable(
            f'The keyring has no password for "{account.name}" ({keyring_name(account)}).'
            f" Give it with: termmail account edit {account.name} --password-stdin"
        )
    return Secret(found)


def _with_keyring(use: Callable[[KeyringBackend], Result], purpose: str) -> Result:
    """Run `use` with the system's keyring in a thread of its own: D-Bus may never answer, and the thread is then left behind."""
    answers: queue.SimpleQueue[tuple[Result, None] | tuple[None, BaseException]] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put((use(_usable_keyring()), None))
        except BaseException as error:  # noqa: BLE001 - backends are others' code; whatever they raise is told below
            answers.put((None, error))

    threading.Thread(target=work, name="keyring", daemon=True).start()
    try:
        result, error = answers.get(timeout=KEYRING_SECONDS)
    except queue.Empty:
        raise CredentialUnavailable(
            f"The system's keyring did not answer within {KEYRING_SECONDS:.0f} seconds. Unlock it and try again. {_ALTERNATIVES}"
        ) from None
    if error is not None:
        raise _keyring_failed(error, purpose) from error
    return result  # type: ignore[return-value]


def _keyring_failed(error: BaseException, purpose: str) -> CredentialUnavailable:
    if isinstance(error, CredentialUnavailable):
        return error
    from keyring.errors import KeyringLocked, NoKeyringError

    if isinstance(error, NoKeyringError):
        return _no_keyring()
    if isinstance(error, KeyringLocked):
        return CredentialUnavailable(f"The system's keyring is locked. Unlock it and try again. {_ALTERNATIVES}")
    return CredentialUnavailable(
        f"The system's keyring could not {purpose} ({type(error).__name__}). {_ALTERNATIVES}",
        detail=f"{type(error).__module__}.{type(error).__name__}",
    )


def _no_keyring() -> CredentialUnavailable:
    return CredentialUnavailable(f"This system has no keyring that termmail can use. {_ALTERNATIVES}")


def _usable_keyring() -> KeyringBackend:
    """The keyring the user or the system chose, but none that keeps nothing or writes passwords into a plain file (C1)."""
    import keyring
    from keyring.backends import chainer, fail, null

    chosen = keyring.get_keyring()
    candidates = list(chosen.backends) if isinstance(chosen, chainer.ChainerBackend) else [chosen]
    for backend in candidates:
        if isinstance(backend, fail.Keyring | null.Keyring) or type(backend).__module__.startswith("keyrings.alt"):
            continue
        return backend
    raise _no_keyring()


def _from_command(account: Account) -> Secret:
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
        raise CredentialUnavailable(f'The password command of "{account.name}" could not be started.') from error
    try:
        output, complaint = process.communicate(timeout=COMMAND_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise CredentialUnavailable(
            f'The password command of "{account.name}" did not end within {COMMAND_SECONDS:.0f} seconds. Run it by hand to see why.'
        ) from None
    first = output.split(b"\n", 1)[0].rstrip(b"\r")
    if process.returncode:
        said = safe_text(complaint.split(b"\n", 1)[0][:200], one_line=True)
        raise CredentialUnavailable(
            f'The password command of "{account.name}" failed with exit code {process.returncode}'
            + (f': "{said}".' if said else ".")
            + " Run it by hand to see why."
        )
    if not first:
        raise CredentialUnavailable(
            f'The password command of "{account.name}" printed nothing. Its first line must be the password.'
        )
    try:
        return Secret(first.decode())
    except UnicodeDecodeError:
        raise CredentialUnavailable(
            f'The password command of "{account.name}" printed something that is not UTF-8.'
        ) from None
