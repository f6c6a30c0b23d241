"""`engine`: the process that talks to the servers, in the foreground or as a service."""

from __future__ import annotations

import click

from termmail.cli.session import Session, pass_session


@click.command(short_help="Keep in step with the servers until stopped.")
@click.option("--install-service", "install", is_flag=True, help="Let systemd run it whenever you are logged in.")
@click.option("--remove-service", "remove", is_flag=True, help="No longer.")
@pass_session
def engine(session: Session, install: bool, remove: bool) -> int:
    """Keep the mail here and on the servers in step, and send what is to be sent, until stopped.

    The mail reader starts an engine of its own where none runs. There is one for each home: another ends at once with 75.
    """
    if install and remove:
        raise click.UsageError("Give one of --install-service and --remove-service.")
    if remove:
        from termmail.cli.service import remove_service

        remove_service()
        return 0
    from termmail.accounts import config

    # A mistake in the file is told here and now; of one that is made later the problems tell.
    config.load(session.home)
    if install:
        from termmail.cli.service import install_service

        install_service(session)
        return 0
    from termmail.engine.process import run_engine

    return run_engine(session.home)
