"""`sync`: one pass over the accounts, here or by the engine that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from termmail.cli.completions import complete_account, complete_mailbox
from termmail.cli.exit_codes import ExitCode, exit_code
from termmail.cli.output import for_one_try, note, say, say_json, with_command
from termmail.cli.passwords import give_passwords
from termmail.cli.session import Session, json_option, pass_session
from termmail.cli.shapes import SyncShape
from termmail.model.account import CredentialKind

if TYPE_CHECKING:
    from termmail.engine.sync_once import AccountReport, SyncReport
    from termmail.model.errors import TermmailError


@click.command(short_help="Send the changes made here and fetch the new mail.")
@click.argument("account_names", metavar="[ACCOUNT]...", nargs=-1, shell_complete=complete_account)
@click.option(
    "-m", "--mailbox", "mailbox_name", metavar="MAILBOX", shell_complete=complete_mailbox, help="Only this mailbox."
)
@click.option("--password-stdin", is_flag=True, help="Read the password of an account that is asked for each time.")
@json_option
@pass_session
def sync(session: Session, account_names: tuple[str, ...], mailbox_name: str | None, password_stdin: bool) -> int:
    """Bring this computer and the servers in step: send the changes made here, fetch the new mail, end when all is done.

    Where the mail reader or an engine runs, that one does it.
    """
    named = tuple(dict.fromkeys(session.enabled(name) for name in account_names))
    everyone = session.enabled_accounts()
    chosen = named or everyone
    if password_stdin and (len(chosen) != 1 or chosen[0].credential.kind is not CredentialKind.SESSION):
        raise click.UsageError("--password-stdin is for one account, one that is asked for its password each time.")
    from termmail.cli.progress import Progress
    from termmail.engine.sync_once import sync_once

    give_passwords(session, chosen, from_pipe=password_stdin)
    with Progress() as progress:
        report = sync_once(session.home, chosen, mailbox=mailbox_name, on_progress=progress.show, all_accounts=everyone)
    if session.as_json:
        say_json([_shape(one, report) for one in report.accounts])
    for one in report.accounts:
        if one.error is not None:
            note(f"{one.account}: {_failure(one.error, report)}")
        elif not session.as_json:
            say(f"{one.account}: {_sentence(one)}")
    errors = [one.error for one in report.accounts if one.error is not None]
    if errors:
        return exit_code(errors[0])
    return ExitCode.TRY_LATER if any(one.pending for one in report.accounts) else ExitCode.OK


def _sentence(report: AccountReport) -> str:
    parts = []
    if report.new_messages is None or report.new_bodies is None:
        parts.append("in step with the server, by the engine that runs.")
    elif report.new_messages == report.new_bodies == 0:
        parts.append("nothing new.")
    elif report.new_messages == report.new_bodies:
        parts.append(f"{_counted(report.new_messages, 'new message')}.")
    else:
        new = _counted(report.new_messages, "new message") if report.new_messages else "no new message"
        parts.append(
            f"{new}, {report.new_bodies:,} fetched whole." if report.new_bodies else f"{new}, none fetched whole."
        )
    if report.carried_out:
        parts.insert(0, f"{_counted(report.carried_out, 'change')} made on the server,")
    if report.pending == 1:
        parts.append("1 change still waits; it is tried again.")
    elif report.pending:
        parts.append(f"{report.pending:,} changes still wait; they are tried again.")
    return " ".join(parts)


def _counted(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count:,} {what}s"


def _failure(error: TermmailError, report: SyncReport) -> str:
    sentence = error.sentence if report.by_engine else for_one_try(error.sentence)
    return with_command(sentence, error.command)


def _shape(one: AccountReport, report: SyncReport) -> SyncShape:
    return SyncShape(
        account=one.account,
        ok=one.error is None,
        sentence="" if one.error is None else _failure(one.error, report),
        new_messages=one.new_messages,
        new_bodies=one.new_bodies,
        pending=one.pending,
        carried_out=one.carried_out,
    )
