"""Changes of messages: `flag`, `move`, `copy`, `archive`, `junk`, `delete`, `expunge`, `undo`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click

from termmail.cli.arguments import FlagName, MessageId
from termmail.cli.completions import complete_mailbox
from termmail.cli.exit_codes import CommandError, ExitCode
from termmail.cli.output import say, say_json
from termmail.cli.session import Session, json_option, pass_session
from termmail.cli.shapes import result_shape
from termmail.model.flags import FlagSet
from termmail.model.mailbox import Mailbox
from termmail.model.message import MessageRow
from termmail.model.view import IntentResult


def once(context: click.Context, parameter: click.Parameter, value: tuple[int, ...]) -> tuple[int, ...]:
    """Each ID once, in the order given."""
    return tuple(dict.fromkeys(value))


_ids = click.argument("ids", metavar="ID...", type=MessageId(), nargs=-1, required=True, callback=once)
# With any number of IDs before it, what is being typed may be the mailbox already.
_ids_then_mailbox = click.argument(
    "ids",
    metavar="ID...",
    type=MessageId(),
    nargs=-1,
    required=True,
    callback=once,
    shell_complete=complete_mailbox,
)


@click.command()
@_ids
@click.option("--add", "added", type=FlagName(), multiple=True, help="Set this flag; may be given several times.")
@click.option("--remove", "removed", type=FlagName(), multiple=True, help="Take this flag away.")
@json_option
@pass_session
def flag(session: Session, ids: tuple[int, ...], added: tuple[str, ...], removed: tuple[str, ...]) -> None:
    """Set flags of messages, or take them away.

    FLAG is seen, answered, flagged, draft, deleted, or a keyword such as $Forwarded.
    """
    add, remove = FlagSet.parse(added), FlagSet.parse(removed)
    if not add and not remove:
        raise click.UsageError("Say which flag: --add FLAG or --remove FLAG.")
    if any(name in remove for name in add.names()):
        raise click.UsageError("The same flag cannot be added and removed.")
    _rows(session, ids)
    answer(session, session.intents.set_flags(ids, add=add, remove=remove))


@click.command(short_help="Move messages to a mailbox.")
@_ids_then_mailbox
@click.argument("mailbox", shell_complete=complete_mailbox)
@json_option
@pass_session
def move(session: Session, ids: tuple[int, ...], mailbox: str) -> None:
    """Move messages to MAILBOX of their account: its name, or its role such as archive."""
    _to_mailbox(session, ids, mailbox, session.intents.move)


@click.command(short_help="Copy messages to a mailbox.")
@_ids_then_mailbox
@click.argument("mailbox", shell_complete=complete_mailbox)
@json_option
@pass_session
def copy(session: Session, ids: tuple[int, ...], mailbox: str) -> None:
    """Copy messages to MAILBOX of their account: its name, or its role such as archive."""
    _to_mailbox(session, ids, mailbox, session.intents.copy)


@click.command()
@_ids
@json_option
@pass_session
def archive(session: Session, ids: tuple[int, ...]) -> None:
    """Move messages to their account's archive."""
    _rows(session, ids)
    answer(session, session.intents.archive(ids))


@click.command()
@_ids
@click.option("--not", "not_junk", is_flag=True, help="Move them back to the inbox instead.")
@json_option
@pass_session
def junk(session: Session, ids: tuple[int, ...], not_junk: bool) -> None:
    """Move messages to their account's junk mailbox."""
    _rows(session, ids)
    answer(session, session.intents.not_junk(ids) if not_junk else session.intents.junk(ids))


@click.command()
@_ids
@json_option
@pass_session
def delete(session: Session, ids: tuple[int, ...]) -> None:
    """Move messages to their account's trash."""
    _rows(session, ids)
    answer(session, session.intents.delete(ids))


@click.command()
@_ids
@click.option("--yes", is_flag=True, help="Really; this cannot be undone.")
@json_option
@pass_session
def expunge(session: Session, ids: tuple[int, ...], yes: bool) -> None:
    """Delete messages for good, here and on the server."""
    _rows(session, ids)
    if not yes:
        them = "1 message" if len(set(ids)) == 1 else f"{len(set(ids))} messages"
        raise click.UsageError(f"This deletes {them} for good and cannot be undone. Say --yes.")
    answer(session, session.intents.expunge(ids))


@click.command()
@json_option
@pass_session
def undo(session: Session) -> None:
    """Take back the last change, also one made in the mail reader."""
    answer(session, session.intents.undo())


def answer(session: Session, *results: IntentResult) -> None:
    """Say what was done: with --json one object, else a sentence each."""
    if session.as_json:
        if len(results) == 1:
            say_json(result_shape(results[0]))
            return
        ids = tuple(id_ for result in results for id_ in result.placement_ids)
        sentence = " ".join(result.sentence for result in results)
        say_json(result_shape(IntentResult(sentence, ids, all(result.undoable for result in results))))
        return
    for result in results:
        say(result.sentence)


def find_mailbox(session: Session, account: str | None, name: str) -> Mailbox:
    """The mailbox for what was typed. Raises CommandError (66) where there is none, with near names."""
    found = session.queries.find_mailbox(account, name)
    if found is not None:
        return found
    import difflib

    names = {mailbox.name.casefold(): mailbox.name for mailbox in session.queries.mailboxes(account)}
    near = [names[match] for match in difflib.get_close_matches(name.casefold(), names, 3, 0.5)]
    hint = f" Did you mean {' or '.join(near)}?" if near else " `termmail mailboxes` lists them."
    where = f' in "{account}"' if account else ""
    raise CommandError(f'There is no mailbox "{name}"{where}.{hint}', ExitCode.NO_INPUT)


def _rows(session: Session, ids: Sequence[int]) -> list[MessageRow]:
    rows = session.queries.rows(ids)
    missing = [str(id_) for id_, row in zip(ids, rows, strict=True) if row is None]
    if missing:
        raise CommandError(
            f"There is no message {', '.join(missing)}. Nothing was changed; `termmail list` shows the numbers.",
            ExitCode.NO_INPUT,
        )
    return [row for row in rows if row is not None]


def _to_mailbox(
    session: Session, ids: Sequence[int], name: str, change: Callable[[Sequence[int], int], IntentResult]
) -> None:
    """Each account's messages go to the mailbox of that name in their own account; all are looked up before any is touched."""
    by_account: dict[str, list[int]] = {}
    for row in _rows(session, ids):
        by_account.setdefault(row.account, []).append(row.id)
    targets = [(find_mailbox(session, account, name), own) for account, own in by_account.items()]
    answer(session, *(change(own, target.id) for target, own in targets))
