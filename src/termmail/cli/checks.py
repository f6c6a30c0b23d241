"""How checks of an account are printed, and what the command ends with."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from textwrap import fill

from termmail.cli.exit_codes import ExitCode
from termmail.cli.output import say, say_json, terminal_columns, with_command
from termmail.cli.session import Session
from termmail.cli.shapes import check_shape
from termmail.model.setup import Check, CheckCause, CheckState

_INDENT = " " * 9
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
            say(check_text(check, terminal_columns() if sys.stdout.isatty() else 0))
        yield check


def checks_code(done: Iterable[Check]) -> int:
    """The exit code for steps that are done: that of the first which failed."""
    return next((_exit_code(check) for check in done if not check.ok), ExitCode.OK)


def check_text(check: Check, width: int) -> str:
    """One step: how it is, what it was, and on a line of its own what to do; wrapped where there is a width."""
    paragraphs = [
        f"{check.state.value:<7}  {check.title}: {check.sentence}",
        *([_INDENT + fix] if (fix := with_command(check.fix, check.command)) else []),
    ]
    if width:
        # A command to be copied may be longer than a line, and must not be broken inside a word.
        paragraphs = [
            fill(
                paragraph,
                max(40, width),
                subsequent_indent=_INDENT,
                break_long_words=False,
                break_on_hyphens=False,
            )
            for paragraph in paragraphs
        ]
    return "\n".join(paragraphs)


def _exit_code(check: Check) -> ExitCode:
    code = _CODES.get(check.cause or CheckCause.OTHER, ExitCode.UNAVAILABLE)
    # A server that cannot sign anybody in at the moment has refused nothing.
    return ExitCode.TRY_LATER if check.later and code is ExitCode.REFUSED else code
