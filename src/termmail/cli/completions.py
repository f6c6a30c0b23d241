"""What the shell offers after a Tab: account and mailbox names, from the store alone, and nothing where that fails."""

from __future__ import annotations

import os
import re

import click
from click.shell_completion import CompletionItem

from termmail.accounts.home import find_home
from termmail.cli.session import HOME_KEY
from termmail.model.errors import TermmailError


def complete_account(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of accounts."""
    from termmail.accounts import config

    try:
        names = [account.name for account in config.load(find_home(_folder(context))).accounts]
    except TermmailError:
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def complete_mailbox(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of mailboxes, of the account given by -a where one is."""
    try:
        home = find_home(_folder(context))
        if not home.database.exists():
            return []
        from termmail.store.queries import Queries

        queries = Queries(home)
        try:
            mailboxes = queries.mailboxes(context.params.get("account_name"))
        finally:
            queries.close()
    except TermmailError:
        return []
    names = dict.fromkeys(mailbox.name for mailbox in mailboxes)
    return [CompletionItem(_quoted(name)) for name in names if name.lower().startswith(incomplete.lower())]


def _quoted(name: str) -> str:
    """The name as it is inserted: bash, unlike the others, puts it into the line as it stands."""
    if os.environ.get("_TERMMAIL_COMPLETE", "").startswith("bash"):
        return re.sub(r"([^\w@%+=:,./-])", r"\\\1", name)
    return name


def _folder(context: click.Context) -> str | None:
    home = context.meta.get(HOME_KEY)
    return home if isinstance(home, str) else None
