"""`list` and `show`: what is in the store, never a server."""

from __future__ import annotations

import click

from termmail.cli.completions import complete_mailbox
from termmail.cli.edits import find_mailbox
from termmail.cli.mailboxes import account_option
from termmail.cli.output import columns, local_time, note, say_json
from termmail.cli.session import NO_ACCOUNT, Session, json_option, pass_session
from termmail.cli.shapes import message_shape
from termmail.model.flags import Flag
from termmail.model.message import MessageRow


@click.command("list")
@account_option
@click.option(
    "-m", "--mailbox", "mailbox_name", metavar="MAILBOX", shell_complete=complete_mailbox, help="Only this mailbox."
)
@click.option(
    "-n", "limit", type=click.IntRange(min=1), metavar="N", default=50, show_default=True, help="At most so many."
)
@json_option
@pass_session
def list_(session: Session, account_name: str | None, mailbox_name: str | None, limit: int) -> None:
    """List messages, newest first.

    \b
    Marks: N unread, * flagged, r answered, @ with attachments,
           + a change waits for the server, ! something is wrong with it
    """
    account = None if account_name is None else session.known_account(account_name)
    mailbox = None if mailbox_name is None else find_mailbox(session, account, mailbox_name)
    rows = session.queries.newest_rows(account, None if mailbox is None else mailbox.id, limit)
    if session.as_json:
        say_json([message_shape(row) for row in rows])
    elif rows:
        columns(
            [
                (
                    str(row.id),
                    local_time(row.received_at),
                    _marks(row),
                    sender(row),
                    row.mailbox if mailbox is None else "",
                    row.problem or row.subject or "(no subject)",
                )
                for row in rows
            ],
            right=(0,),
            limits=(0, 0, 0, 26, 20),
        )
    else:
        note(_nothing(session))


def sender(row: MessageRow) -> str:
    """Who a message is from, for one column."""
    if not row.from_:
        return "(no sender)"
    return row.from_[0].name or row.from_[0].address


def _marks(row: MessageRow) -> str:
    system = row.flags.system
    return (
        (" " if system & Flag.SEEN else "N")
        + ("*" if system & Flag.FLAGGED else " ")
        + ("r" if system & Flag.ANSWERED else " ")
        + ("@" if row.has_attachments else " ")
        + ("!" if row.problem else "+" if row.pending else " ")
    )


def _nothing(session: Session) -> str:
    if not session.config.accounts:
        return NO_ACCOUNT
    if not any(status.synced_at for status in session.queries.accounts()):
        return "No messages here yet. `termmail sync` fetches them."
    return "No messages."
