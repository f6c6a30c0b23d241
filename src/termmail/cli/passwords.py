"""Getting a password from the person or the pipe, never from an argument (C2)."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from termmail.accounts import credentials
from termmail.accounts.hardening import harden
from termmail.cli.session import Session
from termmail.model.account import Account, CredentialKind
from termmail.model.secret import Secret
from termmail.model.status import ConnectionState


def read_password(prompt: str) -> Secret:
    """The first line of standard input; on a terminal it is asked for without showing it. This process keeps it to itself (C2)."""
    harden()
    if sys.stdin.isatty():
        try:
            typed = str(click.prompt(prompt, hide_input=True, err=True))
            typed.encode()
        except UnicodeError:
            raise click.UsageError(
                "This terminal sends letters such as ä in another encoding than UTF-8. Give the password by a pipe."
            ) from None
        return Secret(typed)
    line = sys.stdin.buffer.readline().rstrip(b"\n").rstrip(b"\r")
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise click.UsageError("The password on standard input is not UTF-8.") from None
    if not text or "\0" in text or "\r" in text:
        raise click.UsageError(
            "The first line of standard input must be the password; it is empty or holds control characters."
        )
    return Secret(text)


def ask_password(account: Account, *, from_stdin: bool) -> None:
    """Ask for the password of an account that wants to be asked each time, if there is a terminal to ask at.

    With `from_stdin` standard input has the password, whatever kind of account it is.
    """
    harden()
    if from_stdin and account.credential.kind in (CredentialKind.OAUTH2, CredentialKind.TOKEN_COMMAND):
        raise click.UsageError(f"{account.name} signs in by OAuth 2, so there is no password for standard input.")
    if from_stdin or (account.credential.kind is CredentialKind.SESSION and sys.stdin.isatty()):
        credentials.remember(account, read_password(f"Password of {account.user} at {account.incoming.host}"))


def give_passwords(session: Session, accounts: Sequence[Account], *, from_pipe: bool) -> None:
    """Ask for the passwords that are asked for each time, unless an engine that runs has them already."""
    asked = [account for account in accounts if account.credential.kind is CredentialKind.SESSION]
    if not asked or not (from_pipe or sys.stdin.isatty()):
        return
    from termmail.engine.lock import engine_runs
    from termmail.engine.socket import send_password

    running = engine_runs(session.home)
    for account in asked:
        status = session.queries.account_status(account.name)
        if running and not from_pipe and status is not None and status.state is ConnectionState.ONLINE:
            continue
        secret = read_password(f"Password of {account.user} at {account.incoming.host}")
        credentials.remember(account, secret)
        if running:
            send_password(session.home, account.name, secret)
