"""`send` and `sendmail`: a whole message of another program's, into the outbox and to the server."""

from __future__ import annotations

import contextlib
import os
import pwd
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import click

from termmail.cli.completions import complete_account
from termmail.cli.exit_codes import CommandError, ExitCode
from termmail.cli.outgoing import address_of, later, outbox_shape, outcome, outcome_code, sender_of, try_now
from termmail.cli.output import error_words, note, say, say_json
from termmail.cli.session import NO_ACCOUNT, Session, existing_file, json_option, pass_session
from termmail.mime.addresses import parse_addresses
from termmail.mime.raw_message import RawMessage, UnknownUser, read_raw
from termmail.mime.when import parse_when
from termmail.model.account import Account, Identity
from termmail.model.errors import StorageFailed, TermmailError
from termmail.model.message import Address
from termmail.model.outgoing import OutboxItem, OutboxState, OutgoingMessage, RecipientState


@click.command(short_help="Send a whole message from a file or standard input.")
@click.argument("file", metavar="[FILE]", required=False, type=click.Path())
@click.option(
    "-a",
    "--account",
    "account_name",
    metavar="ACCOUNT",
    shell_complete=complete_account,
    help="Send by this account; without it by the one whose address is in From, else by the first.",
)
@click.option("--at", "when", metavar="WHEN", help='Not before this: "tomorrow 8:00", "Mon 9", "in 2 hours".')
@click.option("--queue", is_flag=True, help="Only put it into the outbox.")
@json_option
@pass_session
def send(session: Session, file: str | None, account_name: str | None, when: str | None, queue: bool) -> int:
    """Send a whole message (RFC 5322: header, empty line, text) to those in its To, Cc and Bcc, and say what became of it.

    Date, Message-ID and From are added where they are missing. It is in the outbox, safe on disk, before the server hears of it.

    \b
    printf 'To: bob@example.org\\nSubject: Boats\\n\\nWhen do they go?\\n' | termmail send
    """
    at = 0.0 if when is None else _moment(when)
    with _source(file) as source:
        message = read_raw(source)
        account, identity = sender_of(session, account_name, [one.address for one in message.senders])
        outbox_id = _hand_over(session, message, account, address_of(identity), at=at, recipients=message.recipients())
    problem = "" if queue or at > time.time() else try_now(session, [outbox_id])
    item = _item(session, outbox_id)
    if session.as_json:
        say_json(outbox_shape(item))
    if queue or at > time.time():
        if not session.as_json:
            say(later(item) if at > time.time() else f"In the outbox, as item {item.id}.")
        return ExitCode.OK
    code = outcome_code(item)
    if code is not ExitCode.OK:
        note(outcome(item, problem))
    elif not session.as_json:
        say(outcome(item))
    return code


def _moment(words: str) -> float:
    try:
        return parse_when(words)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--at") from None


def _source(file: str | None) -> contextlib.AbstractContextManager[BinaryIO]:
    if file is None or file == "-":
        return contextlib.nullcontext(sys.stdin.buffer)
    try:
        return Path(existing_file(file)).open("rb")
    except OSError as error:
        raise CommandError(f"{file} could not be read: {error.strerror}.", ExitCode.NO_INPUT) from None


def _hand_over(
    session: Session,
    message: RawMessage,
    account: Account,
    author: Address,
    *,
    recipients: tuple[str, ...],
    sender: str | None = None,
    at: float = 0.0,
) -> int:
    """Put it durably into the outbox; returns its id there. Raises Unsendable, StorageFailed: then nothing was accepted."""
    own = _login_name()

    def fill(goal: BinaryIO) -> OutgoingMessage:
        return message.write(
            goal,
            author=author,
            sender=sender,
            recipients=recipients,
            now=time.time(),
            qualify=lambda name: account.email if name == own else None,
        )

    result = session.intents.submit_message(account.name, fill, at=at)
    assert result.outbox_id is not None
    return result.outbox_id


def _login_name() -> str:
    """The name of the user on this computer, to whom cron and others write without a domain; empty where it has none."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return ""


def _item(session: Session, outbox_id: int) -> OutboxItem:
    item = session.queries.outbox_item(outbox_id)
    if item is None:
        raise CommandError("The message was taken out of the outbox meanwhile.", ExitCode.UNAVAILABLE)
    return item


def _ignored(*names: str, **settings: Any) -> Callable[[Any], Any]:
    return click.option(*names, expose_value=False, hidden=True, **settings)


@click.command(short_help="Take messages as sendmail(1) does, for git send-email, cron and others.")
@click.argument("recipients", metavar="[RECIPIENT]...", nargs=-1)
@click.option(
    "-t", "from_header", is_flag=True, help="Send to those in To, Cc and Bcc too; so it is without a RECIPIENT."
)
@click.option("-i", "ignore_dots", is_flag=True, help="A line with a lone dot does not end the message.")
@click.option("-f", "-r", "sender", metavar="ADDRESS", help="The envelope's sender, to whom failures are reported.")
@click.option("-F", "full_name", metavar="NAME", help="Your name, for a message without From.")
@click.option(
    "-a",
    "--account",
    "account_name",
    metavar="ACCOUNT",
    shell_complete=complete_account,
    help="Send by this account; without it by the one whose address is in From or -f, else by the first.",
)
@click.option(
    "-o", "settings", metavar="SETTING", multiple=True, help="-oi is -i, -odq only queues; others are ignored."
)
@click.option("-b", "mode", metavar="MODE", default="m", help="-bm, which is what it does; there is no other.")
@click.option("-v", "verbose", is_flag=True, help="Say what became of it.")
@_ignored("-B")
@_ignored("-N")
@_ignored("-R")
@_ignored("-V")
@_ignored("-O")
@_ignored("-L")
@_ignored("-X")
@_ignored("-e")
@_ignored("-A")
@_ignored("-m", "me_too", is_flag=True)
@_ignored("-n", "no_aliases", is_flag=True)
@_ignored("-U", "initial", is_flag=True)
@_ignored("-G", "relayed", is_flag=True)
@pass_session
def sendmail(
    session: Session,
    recipients: tuple[str, ...],
    from_header: bool,
    ignore_dots: bool,
    sender: str | None,
    full_name: str | None,
    account_name: str | None,
    settings: tuple[str, ...],
    mode: str,
    verbose: bool,
) -> int:
    """Send the message on standard input, called as other programs call sendmail(1).

    Quiet where all is well. When the server can't be reached now the message waits in the outbox, and this ends with 0 all the same.

    \b
    git config --global sendemail.sendmailcmd "termmail sendmail"
    """
    if mode != "m":
        raise click.UsageError(
            f"-b{mode} is for mail servers. `termmail outbox` lists what waits, `termmail outbox send` sends it."
        )
    if not session.config.accounts:
        raise CommandError(NO_ACCOUNT, ExitCode.CONFIG)
    try:
        message = read_raw(sys.stdin.buffer, dot_ends=not (ignore_dots or "i" in settings))
        given = None if sender is None else sender.strip().removeprefix("<").removesuffix(">")
        addresses = [one.address for one in message.senders] + ([given] if given else [])
        account, identity = sender_of(session, account_name, addresses)
        to = tuple(one.address or one.name for text in recipients for one in parse_addresses(text))
        if from_header or not to:
            to += message.recipients()
        outbox_id = _hand_over(
            session,
            message,
            account,
            _author(identity, full_name),
            recipients=to,
            sender=identity.address if given and "@" not in given else given,
        )
    except StorageFailed as error:
        note(error.sentence)
        return ExitCode.TRY_LATER
    except UnknownUser as error:
        note(error.sentence)
        return ExitCode.NO_USER
    if "dq" in settings:
        return ExitCode.OK
    return _now(session, outbox_id, verbose=verbose)


def _author(identity: Identity, full_name: str | None) -> Address:
    return Address(identity.name if full_name is None else full_name, identity.address)


def _now(session: Session, outbox_id: int, *, verbose: bool) -> int:
    """Send what is in the outbox already: whatever keeps it there is no reason for the caller to hand it over again."""
    try:
        problem = try_now(session, [outbox_id])
        item = _item(session, outbox_id)
    except TermmailError as error:
        note(f"The message is in the outbox. {error_words(error)}")
        return ExitCode.OK
    if item.state is OutboxState.FAILED:
        note(outcome(item))
        taken = any(one.state is RecipientState.ACCEPTED for one in item.recipients)
        return ExitCode.OK if taken else ExitCode.UNAVAILABLE
    if verbose or item.state is OutboxState.UNKNOWN:
        note(outcome(item, problem))
    return ExitCode.OK
