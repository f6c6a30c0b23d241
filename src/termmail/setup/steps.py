"""The words in which a check tells of one step."""

from __future__ import annotations

from termmail.model import errors
from termmail.model.errors import Retry, TermmailError
from termmail.model.setup import Check, CheckCause, CheckPart, CheckState

_CAUSES: tuple[tuple[type[TermmailError], CheckCause], ...] = (
    (errors.CredentialUnavailable, CheckCause.NO_PASSWORD),
    (errors.CertificateRefused, CheckCause.CERTIFICATE),
    (errors.InsecureConnection, CheckCause.ENCRYPTION),
    (errors.PasswordRefused, CheckCause.PASSWORD),
    (errors.SignInRefused, CheckCause.SIGN_IN),
    (errors.ConnectionLost, CheckCause.UNREACHABLE),
    (errors.ProtocolViolation, CheckCause.OTHER_SERVICE),
    (errors.ServerRefused, CheckCause.REFUSED),
    (errors.SubmissionRefused, CheckCause.REFUSED),
    (errors.ConfigError, CheckCause.CONFIG),
)
_RETRIED = " It is tried again."


def running(name: str, part: CheckPart) -> Check:
    """The step is under way."""
    return Check(name, CheckState.RUNNING, part=part)


def passed(name: str, part: CheckPart, sentence: str) -> Check:
    return Check(name, CheckState.OK, sentence, part=part)


def failed(
    name: str, part: CheckPart, error: TermmailError, *, cause: CheckCause | None = None, fix: str = ""
) -> Check:
    """What went wrong. A check is one try, and not an engine that goes on trying."""
    happened, retried, _ = error.sentence.rpartition(_RETRIED)
    return Check(
        name,
        CheckState.FAILED,
        f"{happened} Try again later." if retried and not fix else happened or error.sentence,
        fix,
        part,
        cause or cause_of(error),
        error.retry is not Retry.NEVER,
    )


def cause_of(error: TermmailError) -> CheckCause:
    """What kind of thing an error is about."""
    return next((cause for kind, cause in _CAUSES if isinstance(error, kind)), CheckCause.OTHER)
