"""The system's keyring, which may be missing, locked or silent: each within five seconds and as a sentence (C1)."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from termmail.model.errors import Advice, CredentialUnavailable
from termmail.model.secret import Secret

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

Result = TypeVar("Result")

KEYRING_SECONDS = 5.0
"""How long the keyring may take before it counts as silent (C1)."""

PASSWORD_ALTERNATIVES = Advice(
    "Other ways: a command takes it from a password manager, or termmail asks each time.",
    "--password-command 'pass show mail/me', or --password-ask",
)
TOKEN_ALTERNATIVES = Advice(
    "Other ways: a command takes a token from a program that keeps the sign-in, or it is kept only while termmail runs.",
    "--token-command 'oama access me@example.org', or termmail account sign-in NAME --once",
)

_SERVICE = "termmail"


def read_entry(name: str, alternatives: Advice) -> Secret | None:
    """What the keyring has under a name; None where it has nothing. Raises CredentialUnavailable, with `alternatives` as its end."""

    def get(keyring: KeyringBackend) -> str | None:
        return keyring.get_password(_SERVICE, name)

    found = _with_keyring(get, "give a password", alternatives)
    return None if found is None else Secret(found)


def write_entry(name: str, secret: Secret, alternatives: Advice) -> None:
    """Put something under a name, in place of what is there. Raises CredentialUnavailable."""

    def set_(keyring: KeyringBackend) -> None:
        keyring.set_password(_SERVICE, name, secret.reveal())

    _with_keyring(set_, "keep a password", alternatives)


def delete_entry(name: str, alternatives: Advice) -> None:
    """Take out what is under a name, if something is. Raises CredentialUnavailable."""

    def delete(keyring: KeyringBackend) -> None:
        if keyring.get_password(_SERVICE, name) is not None:
            keyring.delete_password(_SERVICE, name)

    _with_keyring(delete, "forget a password", alternatives)


def _with_keyring(use: Callable[[KeyringBackend], Result], purpose: str, alternatives: Advice) -> Result:
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
            f"The system's keyring did not answer within {KEYRING_SECONDS:.0f} seconds. Unlock it and try again."
            f" {alternatives.sentence}",
            command=alternatives.command,
        ) from None
    if error is not None:
        raise _failed(error, purpose, alternatives) from error
    return result  # type: ignore[return-value]


def _failed(error: BaseException, purpose: str, alternatives: Advice) -> CredentialUnavailable:
    from keyring.errors import KeyringLocked, NoKeyringError

    if isinstance(error, NoKeyringError):
        happened = "This system has no keyring that termmail can use."
    elif isinstance(error, KeyringLocked):
        happened = "The system's keyring is locked. Unlock it and try again."
    else:
        happened = f"The system's keyring could not {purpose} ({type(error).__name__})."
    return CredentialUnavailable(
        f"{happened} {alternatives.sentence}",
        command=alternatives.command,
        detail=f"{type(error).__module__}.{type(error).__name__}",
    )


def _usable_keyring() -> KeyringBackend:
    """The keyring the user or the system chose, but none that keeps nothing or writes passwords into a plain file (C1)."""
    import keyring
    from keyring.backends import chainer, fail, null
    from keyring.errors import NoKeyringError

    chosen = keyring.get_keyring()
    candidates = list(chosen.backends) if isinstance(chosen, chainer.ChainerBackend) else [chosen]
    for backend in candidates:
        if isinstance(backend, fail.Keyring | null.Keyring) or type(backend).__module__.startswith("keyrings.alt"):
            continue
        return backend
    raise NoKeyringError
