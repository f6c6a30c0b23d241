"""`compose`: the composer alone, also for mailto: links."""

from __future__ import annotations

import time
from pathlib import Path

import click

from termmail.cli.completions import complete_account
from termmail.cli.exit_codes import ExitCode
from termmail.cli.outgoing import outcome, outcome_code, try_now
from termmail.cli.output import note
from termmail.cli.session import Session, existing_file, pass_session
from termmail.mime.mailto import Mailto, parse_mailto
from termmail.mime.safe_text import safe_text


@click.command(short_help="Write a message.")
@click.argument("targets", metavar="[MAILTO-URL | ADDRESS...]", nargs=-1)
@click.option(
    "-a",
    "--account",
    "account_name",
    metavar="ACCOUNT",
    shell_complete=complete_account,
    help="Write from this account; without it from the first.",
)
@click.option("--attach", "files", metavar="FILE", multiple=True, type=click.Path(), help="Attach this file.")
@click.option("--install-handler", "install", is_flag=True, help="Let the desktop open mailto: links with this.")
@click.option("--remove-handler", "remove", is_flag=True, help="No longer.")
@pass_session
def compose(
    session: Session,
    targets: tuple[str, ...],
    account_name: str | None,
    files: tuple[str, ...],
    install: bool,
    remove: bool,
) -> int:
    """Write a message: the mail reader's composer alone, which ends when it is sent or put away.

    A mailto: URL may fill To, Cc, Bcc, Subject, the text and what it answers, nothing else: no file, no other field.
    """
    if install or remove:
        if (install and remove) or targets or files or account_name is not None:
            raise click.UsageError("--install-handler and --remove-handler stand alone.")
        from termmail.cli.desktop import install_handler, remove_handler

        if install:
            install_handler(session)
        else:
            remove_handler()
        return ExitCode.OK
    asked = _asked(targets)
    accounts = session.enabled_accounts()
    if asked.left_out:
        note(f"Left out, since a link may not ask for it: {', '.join(asked.left_out)}.")
    account = None if account_name is None else session.enabled(account_name).name
    attach = tuple(Path(existing_file(file)) for file in files)
    from termmail.cli.app import make_ready, start_engine
    from termmail.cli.reader_log import reader_log
    from termmail.ui.compose_app import run_compose

    known = {item.id for item in session.queries.outbox()}
    home, config = make_ready(session)
    with reader_log(home):
        code = run_compose(
            home,
            accounts,
            asked=asked,
            account=account,
            settings=config.compose,
            attach=attach,
            start_engine=lambda: start_engine(home),
            preset=config.keys.preset,
            rebound=config.keys.bind,
            say=note,
        )
    return code or _send(session, known, config.compose.undo_seconds)


def _send(session: Session, known: set[int], patience: float) -> int:
    """Send what was written, when the time to take it back is over: the composer's engine has ended with it."""
    soon = time.time() + patience + 1.0
    items = [item for item in session.queries.outbox() if item.id not in known and item.not_before <= soon]
    if not items:
        return ExitCode.OK
    try:
        time.sleep(max(0.0, max(item.not_before for item in items) - time.time()))
    except KeyboardInterrupt:
        note("It waits in the outbox.")
        raise
    ids = [item.id for item in items]
    problem = try_now(session, ids)
    tried = [item for one in ids if (item := session.queries.outbox_item(one)) is not None]
    for item in tried:
        note(outcome(item, problem))
    return next((code for item in tried if (code := outcome_code(item)) is not ExitCode.OK), ExitCode.OK)


def _asked(targets: tuple[str, ...]) -> Mailto:
    """What to begin with. Raises Unsendable for a URL that can't be taken."""
    urls = [target for target in targets if target.lstrip()[:7].casefold() == "mailto:"]
    if not urls:
        return Mailto(to=", ".join(safe_text(target, one_line=True) for target in targets))
    if len(targets) > 1:
        raise click.UsageError("Give one mailto: URL, or addresses.")
    return parse_mailto(urls[0])
