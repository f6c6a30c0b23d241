"""The words in which a check tells of one step."""

from __future__ import annotations

from termmail.model import errors
from termmail.model.errors import Retry, TermmailError
from termmail.model.setup import Check, CheckCause, CheckPart, CheckState, SeenCertificate

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


class Steps:
    """Makes the checks of one part of an account."""

    def __init__(self, part: CheckPart) -> None:
        self._part = part

    def running(self, name: str) -> Check:
        """The step is under way."""
        return Check(name, CheckState.RUNNING, part=self._part)

    def passed(self, name: str, sentence: str) -> Check:
        return Check(name, CheckState.OK, sentence, part=self._part)

    def warned(self, name: str, sentence: str, fix: str = "", command: str = "") -> Check:
        """It works, but something is worth a look."""
        return Check(name, CheckState.WARNING, sentence, fix, self._part, command=command)

    def skipped(self, name: str, sentence: str) -> Check:
        """It can't be said."""
        return Check(name, CheckState.SKIPPED, sentence, part=self._part)

    def failed(
        self,
        name: str,
        error: TermmailError,
        *,
        cause: CheckCause | None = None,
        fix: str = "",
        command: str = "",
        certificate: SeenCertificate | None = None,
    ) -> Check:
        """What went wrong. A check is one try, and not an engine that goes on trying."""
        happened, retried, _ = error.sentence.rpartition(_RETRIED)
        return Check(
            name,
            CheckState.FAILED,
            f"{happened} Try again later." if retried and not fix else happened or error.sentence,
            fix,
            self._part,
            cause or cause_of(error),
            error.retry is not Retry.NEVER,
            certificate,
            command or error.command,
        )


def cause_of(error: TermmailError) -> CheckCause:
    """What kind of thing an error is about."""
    return next((cause for kind, cause in _CAUSES if isinstance(error, kind)), CheckCause.OTHER)
