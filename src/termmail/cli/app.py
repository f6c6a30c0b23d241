"""The mail reader itself: `termmail` without a command, and `demo`."""

from __future__ import annotations

import click

from termmail.cli.session import Session, pass_session


def open_app(session: Session) -> None:
    """Open the mail reader on the session's home; returns when the user quits."""
    from termmail.ui.app import run

    run(session.home, session.config)


@click.command()
@pass_session
def demo(session: Session) -> None:
    """Try the mail reader on a mail server of its own, with sample mail, in a home that is thrown away."""
    open_app(session)
