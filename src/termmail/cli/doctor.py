"""`termmail doctor`: what is wrong, in sentences, and a report that can be shown to others."""

from __future__ import annotations

import os
import platform
import ssl
from collections.abc import Iterator

import click
import msgspec

from termmail import __version__
from termmail.accounts import credentials
from termmail.cli.checks import checks_code, told
from termmail.cli.completions import complete_account
from termmail.cli.output import say, say_json
from termmail.cli.passwords import ask_password
from termmail.cli.session import Session, json_option, pass_session
from termmail.cli.shapes import AccountCheckShape, check_shape
from termmail.model.account import Account
from termmail.model.setup import Check


@click.command(short_help="Find out what is wrong with an account.")
@click.argument("account_name", metavar="[ACCOUNT]", required=False, shell_complete=complete_account)
@click.option("--no-mail", is_flag=True, help="Don't send a mail to yourself to see whether it arrives.")
@click.option("--password-stdin", is_flag=True, help="Read the password to try from standard input; it is not kept.")
@json_option
@pass_session
def doctor(session: Session, account_name: str | None, no_mail: bool, password_stdin: bool) -> int:
    """Look at everything an account needs, and say what is wrong and what to do.

    Published settings, DNS, TCP, TLS, what the servers can do, sign-in, room, mailboxes, sending, and a mail to yourself and back,
    which is deleted again. The report holds no password, and user names are shortened, so that it can be shown to others.
    """
    if password_stdin and account_name is None:
        raise click.UsageError("Say whose password is on standard input: termmail doctor ACCOUNT --password-stdin")
    accounts = session.enabled_accounts() if account_name is None else (session.configured(account_name),)
    if not session.as_json:
        say(
            f"termmail {__version__}, Python {platform.python_version()}, {ssl.OPENSSL_VERSION}, {platform.platform(terse=True)}"
        )
    shapes: list[AccountCheckShape] = []
    everything: list[Check] = []
    for account in accounts:
        ask_password(account, from_stdin=password_stdin)
        if not session.as_json:
            say(f"\n{account.name} ({account.protocol.value})")
        done = list(told(session, (_shortened(check, account) for check in _examine(account, no_mail))))
        everything += done
        shapes += [
            AccountCheckShape(**msgspec.structs.asdict(check_shape(check)), account=account.name) for check in done
        ]
    if session.as_json:
        say_json(shapes)
    return checks_code(everything)


def _examine(account: Account, no_mail: bool) -> Iterator[Check]:
    from termmail.setup.doctor import examine_account
    from termmail.setup.network import network_from

    network = msgspec.structs.replace(network_from(os.environ), proxy=account.proxy)
    return examine_account(account, lambda: credentials.password(account), network=network, round_trip=not no_mail)


def _shortened(check: Check, account: Account) -> Check:
    """Who it is need not be in a report; a command to be copied stays as it is."""
    sentence = check.sentence
    for name in sorted({account.email, account.user, *(found.address for found in account.identities)}, key=len)[::-1]:
        local, at, domain = name.rpartition("@")
        if len(local or domain) > 1:
            sentence = sentence.replace(name, f"{name[0]}…{at}{domain if at else ''}")
    return msgspec.structs.replace(check, sentence=sentence)
