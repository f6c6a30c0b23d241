"""`mailboxes`, `mailbox create|rename|delete|subscribe|unsubscribe`, `empty`."""

from __future__ import annotations

import click

from termmail.cli.completions import complete_account, complete_mailbox
from termmail.cli.edits import answer, find_mailbox
from termmail.cli.exit_codes import CommandError, ExitCode
from termmail.cli.output import columns, note, say_json
from termmail.cli.session import NO_ACCOUNT, Session, json_option, pass_session
from termmail.cli.shapes import mailbox_shape
from termmail.model.mailbox import Mailbox

account_option = click.option(
    "-a", "--account", "account_name", metavar="ACCOUNT", shell_complete=complete_account, help="Only this account."
)

_of_account = click.option(
    "-a",
    "--account",
    "account_name",
    metavar="ACCOUNT",
    shell_complete=complete_account,
    help="The account; it may be left out where there is only one.",
)


@click.command(short_help="List mailboxes and their counts.")
@account_option
@json_option
@pass_session
def mailboxes(session: Session, account_name: str | None) -> None:
    """List mailboxes with how many messages they hold and how many are unread."""
    account = None if account_name is None else session.known_account(account_name)
    found = session.queries.mailboxes(account)
    if session.as_json:
        say_json([mailbox_shape(mailbox) for mailbox in found])
        return
    if not found:
        note("No mailboxes yet. `termmail sync` fetches them." if session.config.accounts else NO_ACCOUNT)
        return
    columns(
        [("ACCOUNT", "MAILBOX", "ROLE", "TOTAL", "UNREAD")]
        + [
            (mailbox.account, mailbox.name, mailbox.role.value, str(mailbox.total), str(mailbox.unread))
            if mailbox.selectable
            else (mailbox.account, mailbox.name, mailbox.role.value, "", "")
            for mailbox in found
        ],
        right=(3, 4),
    )


@click.group()
def mailbox() -> None:
    """Create, rename, delete and subscribe to mailboxes."""


@mailbox.command()
@click.argument("name")
@_of_account
@json_option
@pass_session
def create(session: Session, name: str, account_name: str | None) -> None:
    """Create a mailbox. NAME is the full name, with the levels above it."""
    answer(session, session.intents.create_mailbox(_account(session, account_name), name))


@mailbox.command(short_help="Give a mailbox another name.")
@click.argument("name", shell_complete=complete_mailbox)
@click.argument("new_name")
@_of_account
@json_option
@pass_session
def rename(session: Session, name: str, new_name: str, account_name: str | None) -> None:
    """Give a mailbox another full name; what is below it goes along."""
    answer(session, session.intents.rename_mailbox(_mailbox(session, account_name, name).id, new_name))


@mailbox.command(short_help="Delete a mailbox with its messages.")
@click.argument("name", shell_complete=complete_mailbox)
@_of_account
@click.option("--yes", is_flag=True, help="Really, with all messages in it; this cannot be undone.")
@json_option
@pass_session
def delete(session: Session, name: str, account_name: str | None, yes: bool) -> None:
    """Delete a mailbox and the messages in it, here and on the server."""
    found = _mailbox(session, account_name, name)
    if found.total and not yes:
        raise click.UsageError(
            f"{found.name} holds {found.total} messages, which would be deleted for good. Say --yes."
        )
    answer(session, session.intents.delete_mailbox(found.id))


@mailbox.command()
@click.argument("name", shell_complete=complete_mailbox)
@_of_account
@json_option
@pass_session
def subscribe(session: Session, name: str, account_name: str | None) -> None:
    """Subscribe to a mailbox."""
    answer(session, session.intents.subscribe(_mailbox(session, account_name, name).id, True))


@mailbox.command()
@click.argument("name", shell_complete=complete_mailbox)
@_of_account
@json_option
@pass_session
def unsubscribe(session: Session, name: str, account_name: str | None) -> None:
    """Unsubscribe from a mailbox; it stays where it is."""
    answer(session, session.intents.subscribe(_mailbox(session, account_name, name).id, False))


@click.command(short_help="Delete all messages of a mailbox for good.")
@click.argument("name", metavar="MAILBOX", shell_complete=complete_mailbox)
@_of_account
@click.option("--yes", is_flag=True, help="Really; this cannot be undone.")
@json_option
@pass_session
def empty(session: Session, name: str, account_name: str | None, yes: bool) -> None:
    """Delete all messages of a mailbox for good, such as trash or junk."""
    found = _mailbox(session, account_name, name)
    if not yes:
        raise click.UsageError(
            f"This deletes what is in {found.name} for good ({found.total:,} in all) and cannot be undone. Say --yes."
        )
    answer(session, session.intents.empty(found.id))


def _account(session: Session, name: str | None) -> str:
    """The account meant: the one named, or the only one there is."""
    if name is not None:
        return session.known_account(name)
    names = [status.account for status in session.queries.accounts()]
    if not names:
        raise CommandError(NO_ACCOUNT, ExitCode.NO_INPUT)
    if len(names) > 1:
        raise click.UsageError(f"Say which account with -a: {', '.join(names)}.")
    return names[0]


def _mailbox(session: Session, account_name: str | None, name: str) -> Mailbox:
    return find_mailbox(session, _account(session, account_name), name)
