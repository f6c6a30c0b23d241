"""`reindex` and `problems`."""

from __future__ import annotations

import click

from termmail.cli.output import columns, local_time, note, say, say_json
from termmail.cli.session import Session, json_option, pass_session
from termmail.cli.shapes import problem_shape


@click.command(short_help="Rebuild the database from the mail folders.")
@click.option("--force", is_flag=True, help="Even where changes wait that the server has not seen; they are lost.")
@json_option
@pass_session
def reindex(session: Session, force: bool) -> None:
    """Rebuild the database from the mail folders; the old one is set aside."""
    from termmail.store.reindex import reindex as rebuild

    accounts = session.config.accounts
    report = rebuild(session.home, force=force)
    session.intents.register_accounts(accounts)
    if session.as_json:
        say_json(
            {
                "mailboxes": report.mailboxes,
                "messages": report.messages,
                "set_aside": None if report.set_aside is None else str(report.set_aside),
            }
        )
        return
    say(f"Found {report.messages} messages in {report.mailboxes} mailboxes.")
    if report.set_aside is not None:
        say(f"The old database is {report.set_aside}; delete it when all is well.")


@click.command()
@click.option(
    "-n", "limit", type=click.IntRange(min=1), metavar="N", default=50, show_default=True, help="At most so many."
)
@json_option
@pass_session
def problems(session: Session, limit: int) -> None:
    """What went wrong lately, newest first."""
    found = session.queries.problems(limit)
    if session.as_json:
        say_json([problem_shape(problem) for problem in found])
    elif not found:
        note("Nothing went wrong lately.")
    else:
        columns([(local_time(problem.at), problem.account, problem.mailbox, problem.sentence) for problem in found])
