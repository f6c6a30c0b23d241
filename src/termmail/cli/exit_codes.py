"""Exit codes as in sysexits(3), and which error has which."""

from __future__ import annotations

import enum

from termmail.model import errors


class ExitCode(enum.IntEnum):
    """What the process ends with; documented in the README."""

    OK = 0
    USAGE = 64
    DATA = 65
    NO_INPUT = 66
    NO_USER = 67
    UNAVAILABLE = 69
    SOFTWARE = 70
    CANNOT_CREATE = 73
    TRY_LATER = 75
    UNKNOWN = 76
    REFUSED = 77
    CONFIG = 78
    INTERRUPTED = 130


class CommandError(errors.TermmailError):
    """A command can't be carried out; `code` is what the process ends with."""

    retry = errors.Retry.NEVER

    def __init__(self, sentence: str, code: ExitCode) -> None:
        super().__init__(sentence)
        self.code = code


_CODES: tuple[tuple[type[errors.TermmailError], ExitCode], ...] = (
    (errors.ConfigError, ExitCode.CONFIG),
    (errors.CredentialUnavailable, ExitCode.REFUSED),
    (errors.SignInRefused, ExitCode.REFUSED),
    (errors.InsecureConnection, ExitCode.REFUSED),
    (errors.ConnectionLost, ExitCode.TRY_LATER),
    (errors.Cancelled, ExitCode.TRY_LATER),
    (errors.UnsafeArgument, ExitCode.USAGE),
    (errors.UnusablePath, ExitCode.USAGE),
    (errors.StorageFailed, ExitCode.CANNOT_CREATE),
    (errors.MessageTooLarge, ExitCode.DATA),
    (errors.Unsendable, ExitCode.DATA),
    (errors.StoreTooNew, ExitCode.CONFIG),
    (errors.ProtocolViolation, ExitCode.UNAVAILABLE),
    (errors.ServerRefused, ExitCode.UNAVAILABLE),
)


def exit_code(error: errors.TermmailError) -> ExitCode:
    """The code for an error; for one of no special kind it says whether a later try may help."""
    if isinstance(error, CommandError):
        return error.code
    later = error.retry is not errors.Retry.NEVER
    code = next((code for kind, code in _CODES if isinstance(error, kind)), None)
    if code is None:
        return ExitCode.TRY_LATER if later else ExitCode.UNAVAILABLE
    # A server that cannot sign anybody in at the moment has refused nothing.
    return ExitCode.TRY_LATER if code is ExitCode.REFUSED and later else code
