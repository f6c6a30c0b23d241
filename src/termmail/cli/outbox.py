"""`outbox list|send|cancel|resend`: what is not yet sent, and why."""

from __future__ import annotations

import time
from collections.abc import Sequence

import click

from termmail.cli.arguments import MessageId
from termmail.cli.edits import answer, once
from termmail.cli.exit_codes import CommandError, ExitCode
from termmail.cli.outgoing import next_try, outbox_shape, outcome, outcome_code, reason, recipients_of, try_now
from termmail.cli.output import columns, local_time, note, say, say_json
from termmail.cli.session import Session, json_option, pass_session
from termmail.model.outgoing import OutboxItem, OutboxState

_ids = click.argument("ids", metavar="ID...", type=MessageId(), nargs=-1, required=True, callback=once)


@click.group(invoke_without_command=True, short_help="What is not yet sent, and why.")
@json_option
@click.pass_context
def outbox(context: click.Context) -> None:
    """What is not yet sent, and why. Without a command it is `list`; IDs are the numbers that it prints."""
    if context.invoked_subcommand is None:
        context.invoke(list_)


@outbox.command("list", short_help="List what waits, or was not sent.")
@json_option
@pass_session
def list_(session: Session) -> None:
    """List what waits, was not sent, or may have been sent: the oldest first."""
    items = session.queries.outbox()
    if session.as_json:
        say_json([outbox_shape(item) for item in items])
    elif not items:
        note("The outbox is empty.")
    else:
        columns(
            [("ID", "STATE", "NEXT TRY", "ACCOUNT", "TO", "SUBJECT", "REASON")]
            + [
                (
                    str(item.id),
                    item.state.value,
                    local_time(next_try(item)),
                    item.account,
                    recipients_of(item),
                    item.subject,
                    reason(item),
                )
                for item in items
            ],
            right=(0,),
            limits=(0, 0, 0, 12, 30, 30, 0),
        )


@outbox.command(short_help="Try now to send what waits.")
@click.argument("ids", metavar="[ID]...", type=MessageId(), nargs=-1, callback=once)
@json_option
@pass_session
def send(session: Session, ids: tuple[int, ...]) -> int:
    """Try now to send what waits for the next try; with IDs these, also before their time."""
    if ids:
        items = _items(session, ids)
        for item in items:
            if item.state is not OutboxState.QUEUED:
                raise CommandError(f"Item {item.id} does not wait. {outcome(item)}", ExitCode.UNAVAILABLE)
    else:
        now = time.time()
        items = [
            item for item in session.queries.outbox() if item.state is OutboxState.QUEUED and item.not_before <= now
        ]
    if not items:
        if session.as_json:
            say_json([])
        else:
            note("Nothing waits to be sent now.")
        return ExitCode.OK
    for item in items:
        session.intents.send_now(item.id)
    return _tried(session, [item.id for item in items])


@outbox.command()
@_ids
@json_option
@pass_session
def cancel(session: Session, ids: tuple[int, ...]) -> None:
    """Don't send these: they go to Drafts."""
    _items(session, ids)
    answer(session, *[session.intents.cancel_sending(one) for one in ids])


@outbox.command(short_help="Send again what was not sent, or may have been.")
@_ids
@json_option
@pass_session
def resend(session: Session, ids: tuple[int, ...]) -> int:
    """Send again what was not sent, or may have been, to those who don't have it for certain; with the same Message-ID."""
    for item in _items(session, ids):
        if item.state is OutboxState.UNKNOWN:
            note(
                f"{recipients_of(item)} may have item {item.id} already; it has the same Message-ID as before,"
                " by which many mail programs show it once."
            )
        session.intents.resend(item.id)
    return _tried(session, ids)


def _items(session: Session, ids: Sequence[int]) -> list[OutboxItem]:
    """All of them, before anything is done with one. Raises CommandError (66) where one is not there."""
    found = {item.id: item for item in session.queries.outbox()}
    missing = [one for one in ids if one not in found]
    if missing:
        raise CommandError(f"There is no item {missing[0]} in the outbox.", ExitCode.NO_INPUT)
    return [found[one] for one in ids]


def _tried(session: Session, ids: Sequence[int]) -> int:
    """Try them, say what became of each; what the process ends with."""
    problem = try_now(session, ids)
    items = [item for one in ids if (item := session.queries.outbox_item(one)) is not None]
    if session.as_json:
        say_json([outbox_shape(item) for item in items])
    codes = [outcome_code(item) for item in items]
    for item, code in zip(items, codes, strict=True):
        if code is not ExitCode.OK:
            note(outcome(item, problem))
        elif not session.as_json:
            say(outcome(item))
    return next((code for code in codes if code is not ExitCode.OK), ExitCode.OK)
