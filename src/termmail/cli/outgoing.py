"""What `send`, `sendmail` and `outbox` share: from whom a message goes, the try to send it now, and what became of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from termmail.cli.exit_codes import ExitCode
from termmail.cli.output import error_words, for_one_try, iso, local_time, note
from termmail.cli.passwords import give_passwords
from termmail.cli.session import Session
from termmail.cli.shapes import OutboxRecipientShape, OutboxShape
from termmail.model.account import Account, Identity
from termmail.model.errors import ConfigError, TermmailError
from termmail.model.message import Address
from termmail.model.outgoing import OutboxItem, OutboxState, RecipientState

_LATER = "It waits in the outbox; `termmail outbox send` tries it again, and so does the mail reader."


def sender_of(session: Session, account_name: str | None, addresses: Iterable[str]) -> tuple[Account, Identity]:
    """The account and identity to send from: of the account named, else of the one that has the first of `addresses` that is anybody's,
    else the first that can send. Raises CommandError (66) where there is none, ConfigError where it has no server for sending."""
    accounts = session.enabled_accounts()
    if account_name is not None:
        candidates: tuple[Account, ...] = (session.enabled(account_name),)
    else:
        candidates = tuple(account for account in accounts if account.smtp is not None) or accounts
    chosen = candidates[0], candidates[0].all_identities[0]
    for address in addresses:
        found = _identity(candidates, address)
        if found is not None:
            chosen = found
            break
    account = chosen[0]
    if account.smtp is None:
        raise ConfigError(
            f'"{account.name}" has no server for sending. Give it one in its settings.',
            command=f"termmail account edit {account.name} --smtp HOST",
        )
    session.register_accounts()
    return chosen


def _identity(accounts: Sequence[Account], address: str) -> tuple[Account, Identity] | None:
    for account in accounts:
        for identity in account.all_identities:
            if identity.address.casefold() == address.casefold():
                return account, identity
    return None


def address_of(identity: Identity) -> Address:
    return Address(identity.name, identity.address)


def try_now(session: Session, outbox_ids: Sequence[int]) -> str:
    """Submit these items now, here or by the engine that runs; returns what kept that from being tried, or nothing.

    Raises KeyboardInterrupt; the items are then still in the outbox.
    """
    from termmail.engine.submit_once import submit_once

    items = [item for one in outbox_ids if (item := session.queries.outbox_item(one)) is not None]
    names = {item.account for item in items}
    accounts = tuple(account for account in session.config.enabled_accounts if account.name in names)
    try:
        give_passwords(session, accounts, from_pipe=False)
        submit_once(session.home, accounts, outbox_ids=outbox_ids)
    except TermmailError as error:
        return error_words(error)
    except KeyboardInterrupt:
        note("What was not sent yet stays in the outbox.")
        raise
    return ""


def recipients_of(item: OutboxItem, *states: RecipientState) -> str:
    """The recipients, or those in one of `states`, in a few words."""
    names = [one.address for one in item.recipients if not states or one.state in states]
    if len(names) > 3:
        return f"{names[0]} and {len(names) - 1} more"
    return ", ".join(names)


def next_try(item: OutboxItem) -> float | None:
    """When it is tried next (Unix seconds); None where that waits for somebody, or is now."""
    at = max(item.not_before, item.next_at)
    return at if item.state is OutboxState.QUEUED and at > time.time() else None


def outcome(item: OutboxItem, problem: str = "") -> str:
    """What became of an item, in a sentence or two. `problem` is what kept it from being tried."""
    match item.state:
        case OutboxState.SENT | OutboxState.FILED:
            return f"Sent to {recipients_of(item, RecipientState.ACCEPTED)}."
        case OutboxState.SENDING:
            return "It is being sent. `termmail outbox` shows what becomes of it."
        case OutboxState.FAILED:
            return f"{reason(item)} It stays in the outbox; `termmail outbox resend {item.id}` sends it again."
        case OutboxState.UNKNOWN:
            return f"{reason(item)} Item {item.id} of the outbox."
        case OutboxState.QUEUED:
            why = reason(item) or for_one_try(problem)
            return f"Not sent yet. {why} {_LATER}" if why else f"Not sent yet. {_LATER}"


def reason(item: OutboxItem) -> str:
    """Why it is where it is, for somebody who is not the engine; empty without a reason."""
    return for_one_try(item.sentence) if item.state is OutboxState.QUEUED else item.sentence


def later(item: OutboxItem) -> str:
    """What to say of an item that is to go out at its time."""
    return f"To be sent to {recipients_of(item)} on {local_time(item.not_before)}, by the mail reader or engine that runs then."


def outcome_code(item: OutboxItem) -> ExitCode:
    """What the process ends with when this became of an item."""
    match item.state:
        case OutboxState.SENT | OutboxState.FILED:
            return ExitCode.OK
        case OutboxState.FAILED:
            return ExitCode.UNAVAILABLE
        case OutboxState.UNKNOWN:
            return ExitCode.UNKNOWN
        case OutboxState.QUEUED | OutboxState.SENDING:
            return ExitCode.TRY_LATER


def outbox_shape(item: OutboxItem) -> OutboxShape:
    return OutboxShape(
        id=item.id,
        account=item.account,
        state=item.state.value,
        sender=item.sender,
        recipients=[OutboxRecipientShape(one.address, one.state.value, one.reply) for one in item.recipients],
        subject=item.subject,
        message_id=item.message_id_header,
        size=item.size,
        created=iso(item.created_at),
        next=iso(next_try(item)),
        attempts=item.attempts,
        sentence=reason(item),
    )
