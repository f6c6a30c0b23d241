"""Errors that carry how far they reach and whether trying again can help."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from termmail.model.outgoing import Refusal, Submission


INTERNAL_FAULT = "Something went wrong inside termmail; the log file says what. It is tried again."
"""What a person is told of a fault in termmail itself that the engine gets over."""


class Scope(enum.Enum):
    """How much of the work an error ends."""

    MESSAGE = "message"
    MAILBOX = "mailbox"
    ACCOUNT = "account"


class Retry(enum.Enum):
    """When trying again may help: at once, after a back-off, or never without the user."""

    NOW = "now"
    LATER = "later"
    NEVER = "never"


class Advice(NamedTuple):
    """What to do: a sentence that is true wherever it is read, and what does it on the command line, or nothing."""

    sentence: str
    command: str = ""


class TermmailError(Exception):
    """A failure told to a person as one sentence that says what happened and what to do.

    `sentence` is already safe to show, on the command line as in the mail reader. `command` is what helps on the command line alone,
    and may be empty. `detail` is for the log and may be empty; it never holds a secret.
    """

    scope: Scope = Scope.ACCOUNT
    retry: Retry = Retry.LATER
    command: str = ""

    def __init__(
        self,
        sentence: str,
        *,
        scope: Scope | None = None,
        retry: Retry | None = None,
        command: str = "",
        detail: str = "",
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.command = command
        self.detail = detail
        if scope is not None:
            self.scope = scope
        if retry is not None:
            self.retry = retry


class ConnectionLost(TermmailError):
    """The network, the server or a time limit ended the connection; a later try may succeed."""


class Unreachable(ConnectionLost):
    """No connection could be made at all; `name_unknown` says that the host's name was not found."""

    def __init__(self, sentence: str, *, name_unknown: bool = False, detail: str = "") -> None:
        super().__init__(sentence, detail=detail)
        self.name_unknown = name_unknown


class SignInRefused(TermmailError):
    """The server refused the credential. Not tried again without the user (T13)."""

    retry = Retry.NEVER


class PasswordRefused(SignInRefused):
    """The server knows no such user with this password. What to do depends on where the password comes from."""


class TokenRefused(SignInRefused):
    """The server refused an OAuth 2 access token. `renewable` says that another one may do (T12): it may only have expired."""

    def __init__(self, sentence: str, *, renewable: bool, command: str = "", detail: str = "") -> None:
        super().__init__(sentence, command=command, detail=detail)
        self.renewable = renewable


class InsecureConnection(TermmailError):
    """TLS could not be had as configured: certificate, STARTTLS, PREAUTH (T2 to T6). Nothing secret was sent."""

    retry = Retry.NEVER


class CertificateRefused(InsecureConnection):
    """The server's certificate won't do. `self_signed` says that nobody but itself vouches for it, the only kind that may be pinned."""

    def __init__(self, sentence: str, *, self_signed: bool = False, command: str = "", detail: str = "") -> None:
        super().__init__(sentence, command=command, detail=detail)
        self.self_signed = self_signed


class ProtocolViolation(TermmailError):
    """The server said what its protocol does not allow; the connection is closed."""


class ServerRefused(TermmailError):
    """A tagged NO, or -ERR: the command was understood and refused. `code` is the response code, such as `TRYCREATE`."""

    scope = Scope.MAILBOX

    def __init__(
        self,
        sentence: str,
        *,
        code: str = "",
        scope: Scope | None = None,
        retry: Retry | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(sentence, scope=scope, retry=retry, detail=detail)
        self.code = code


class MaildropInUse(ServerRefused):
    """Another session has the maildrop locked (POP3's IN-USE, RFC 2449)."""

    scope = Scope.ACCOUNT


class SignInTooSoon(ServerRefused):
    """The server wants more time between two sessions (POP3's LOGIN-DELAY, RFC 2449): so many seconds, 0 where it does not say."""

    scope = Scope.ACCOUNT

    def __init__(self, sentence: str, *, seconds: int, code: str = "") -> None:
        super().__init__(sentence, code=code)
        self.seconds = seconds


class UnsafeArgument(TermmailError):
    """CR, LF or NUL in something that would become part of a command line (T11)."""

    scope = Scope.MESSAGE
    retry = Retry.NEVER


class UnusablePath(TermmailError):
    """A path that somebody typed leads nowhere, whatever is on the disk."""

    retry = Retry.NEVER


class MessageTooLarge(TermmailError):
    """A literal is above the cap; the message is marked and fetched only on request (P10)."""

    scope = Scope.MESSAGE
    retry = Retry.NEVER


class StorageFailed(TermmailError):
    """The disk refused: full, read-only, failing or not permitted (X5). The store is unchanged."""


class StoreReplaced(StorageFailed):
    """The database's file was deleted, or another lies in its place: what is written to the one that is open is lost."""


class StoreTooNew(TermmailError):
    """The database was written by a newer termmail (L6)."""

    retry = Retry.NEVER


class ConfigError(TermmailError):
    """A mistake in config.toml: names the key, what was expected and what to write."""

    retry = Retry.NEVER


class CredentialUnavailable(TermmailError):
    """No password could be had: keyring missing, locked or silent, command failed (C1)."""

    retry = Retry.NEVER


class Cancelled(TermmailError):
    """The user or the engine's end asked to stop; nothing is wrong."""

    retry = Retry.NOW


class SubmissionRefused(TermmailError):
    """The server won't take this message, or no recipient of it. `retry` is LATER for a 4xx reply, NEVER for a 5xx one.

    `refused` are the recipients it refused one by one; what it said is in the sentence, and in them.
    """

    scope = Scope.MESSAGE

    def __init__(
        self,
        sentence: str,
        *,
        code: int = 0,
        refused: tuple[Refusal, ...] = (),
        retry: Retry = Retry.NEVER,
        detail: str = "",
    ) -> None:
        super().__init__(sentence, retry=retry, detail=detail)
        self.code = code
        self.refused = refused


class OutcomeUnknown(TermmailError):
    """The connection was lost after the whole message and before the answer (O2): it may have been sent. Not tried again by itself."""

    scope = Scope.MESSAGE
    retry = Retry.NEVER

    def __init__(self, sentence: str, *, submission: Submission, detail: str = "") -> None:
        super().__init__(sentence, detail=detail)
        self.submission = submission


class Unsendable(TermmailError):
    """The message can't be sent as it is written; the sentence says what to change."""

    scope = Scope.MESSAGE
    retry = Retry.NEVER
