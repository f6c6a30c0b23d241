"""`engine`: the process that talks to the servers, in the foreground."""

from __future__ import annotations

import click

from termmail.cli.session import Session, pass_session


@click.command(short_help="Keep in step with the servers until stopped.")
@pass_session
def engine(session: Session) -> int:
    """Keep the mail here and on the servers in step until stopped, for a service manager.

    The mail reader starts an engine of its own where none runs. There is one for each home: another ends at once with 75.
    """
    from termmail.accounts import config
    from termmail.engine.process import run_engine

    # A mistake in the file is told here and now; of one that is made later the problems tell.
    config.load(session.home)
    return run_engine(session.home)
