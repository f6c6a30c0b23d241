"""How checks of an account are printed, and what the command ends with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from termmail.cli.exit_codes import ExitCode
from termmail.cli.output import say, say_json
from termmail.cli.session import Session
from termmail.cli.shapes import check_shape
from termmail.model.setup import Check, CheckCause, CheckPart, CheckState

_CODES = {
    CheckCause.NO_PASSWORD: ExitCode.REFUSED,
    CheckCause.PASSWORD: ExitCode.REFUSED,
    CheckCause.SIGN_IN: ExitCode.REFUSED,
    CheckCause.CERTIFICATE: ExitCode.REFUSED,
    CheckCause.ENCRYPTION: ExitCode.REFUSED,
    CheckCause.NAME: ExitCode.TRY_LATER,
    CheckCause.UNREACHABLE: ExitCode.TRY_LATER,
    CheckCause.CONFIG: ExitCode.CONFIG,
}


def say_checks(session: Session, checks: Iterable[Check]) -> int:
    """Print each step as it is done; returns the exit code, that of the first which failed."""
    done = list(told(session, checks))
    if session.as_json:
        say_json([check_shape(check) for check in done])
    return checks_code(done)


def told(session: Session, checks: Iterable[Check]) -> Iterator[Check]:
    """The steps that are done, each printed where JSON is not wanted."""
    for check in checks:
        if check.state is CheckState.RUNNING:
            continue
        if not session.as_json:
            say(check_line(check))
        yield check


def checks_code(done: Iterable[Check]) -> int:
    """The exit code for steps that are done: that of the first which failed."""
    return next((_exit_code(check) for check in done if not check.ok), ExitCode.OK)


def check_line(check: Check) -> str:
    """One step on one line: how it is, what it was, and what to do."""
    name = f"sending, {check.name}" if check.part is CheckPart.SENDING and check.name != "sending" else check.name
    return f"{check.state.value:<7}  {name}: {check.sentence} {check.fix}".rstrip()


def _exit_code(check: Check) -> ExitCode:
    code = _CODES.get(check.cause or CheckCause.OTHER, ExitCode.UNAVAILABLE)
    # A server that cannot sign anybody in at the moment has refused nothing.
    return ExitCode.TRY_LATER if check.later and code is ExitCode.REFUSED else code
