"""Homes with accounts that send to a server of the test's own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from engine.support import make_account, make_home, reading
from termmail.model.account import Account, Security, Server
from termmail.model.home import Home
from termmail.model.outgoing import OutboxItem, OutgoingMessage
from termmail.store.intents import Intents

BOB = "bob@else.example"
CAROL = "carol@else.example"
NOBODY = 1
"""A port on which nothing listens."""


def sending_account(smtp_port: int, *, imap_port: int = NOBODY, user: str = "lisa", name: str = "test") -> Account:
    account = make_account(imap_port, user, name=name)
    return msgspec.structs.replace(account, smtp=Server("127.0.0.1", smtp_port, Security.NONE))


def sending_home(folder: Path, *accounts: Account) -> Home:
    """A home whose store knows the accounts too."""
    home = make_home(folder, *accounts)
    with writing(home) as intents:
        intents.register_accounts(tuple(accounts))
    return home


@contextlib.contextmanager
def writing(home: Home) -> Iterator[Intents]:
    intents = Intents(home)
    try:
        yield intents
    finally:
        intents.close()


def queue(
    home: Home,
    *recipients: str,
    subject: str = "Boats",
    account: str = "test",
    at: float = 0.0,
    size: int = 0,
) -> int:
    """A message in the outbox; its id there."""
    recipients = recipients or (BOB,)
    message_id = f"{subject.replace(' ', '-')}@example.org"
    raw = (
        f"From: Lisa <lisa@example.org>\r\nTo: {', '.join(recipients)}\r\nSubject: {subject}\r\n"
        f"Message-ID: <{message_id}>\r\nDate: Mon, 1 Jan 2024 10:00:00 +0000\r\n\r\nWhen do they go?\r\n"
    ).encode()
    raw += (b"x" * 76 + b"\r\n") * (size // 78)

    def fill(file: BinaryIO) -> OutgoingMessage:
        file.write(raw)
        return OutgoingMessage(
            sender="lisa@example.org",
            recipients=recipients,
            subject=subject,
            message_id_header=message_id,
            size=len(raw),
            eight_bit=False,
            utf8=False,
        )

    with writing(home) as intents:
        result = intents.submit_message(account, fill, at=at)
    assert result.outbox_id is not None
    return result.outbox_id


def item(home: Home, outbox_id: int) -> OutboxItem:
    with reading(home) as queries:
        found = queries.outbox_item(outbox_id)
    assert found is not None
    return found
