"""A home with one POP3 account and mail that was downloaded into it."""

from __future__ import annotations

import time
from pathlib import Path

from termmail.mime.headers import parse_envelope
from termmail.model.account import Account, Protocol, Security, Server
from termmail.model.home import Home
from termmail.model.maildrop import Arrival, KeptArrivals
from termmail.store.ingest import Ingest
from termmail.store.intents import Intents
from termmail.store.journal import Journal
from termmail.store.queries import Queries
from termmail.sync.local import LocalSync

BOB = Account(
    name="bob",
    email="bob@example.org",
    protocol=Protocol.POP3,
    incoming=Server("127.0.0.1", 110, Security.NONE),
    smtp=None,
    user="bob",
)


def mail(number: int, *, body: str = "Hello.") -> bytes:
    return (
        f"Received: from a by b; Mon, 02 Nov 2026 10:{number % 60:02d}:00 +0000\r\n"
        f"From: Anna <anna@example.org>\r\nTo: bob@example.org\r\nSubject: Number {number}\r\n"
        f"Message-ID: <{number}@example.org>\r\nDate: Mon, 02 Nov 2026 10:00:00 +0000\r\n\r\n{body} {number}\r\n"
    ).encode()


class MaildropHome:
    """The store's parts on a home with Bob's account, without a server."""

    def __init__(self, folder: Path) -> None:
        self.home = Home.under(folder)
        self.open()

    def open(self) -> None:
        self.ingest = Ingest(self.home, checkpoints=True)
        self.ingest.register_accounts((BOB,))
        self.journal = Journal(self.ingest.database)
        self.intents = Intents(self.home)
        self.queries = Queries(self.home)
        self.local = LocalSync(self.ingest.database, self.journal, BOB.name, lambda: False)
        self.local.prepare()

    def close(self) -> None:
        self.queries.close()
        self.intents.close()
        self.ingest.close()

    def reopen(self) -> None:
        self.close()
        self.open()

    @property
    def folder(self) -> Path:
        return self.home.mail / "bob"

    def files(self, directory: str = "INBOX") -> list[str]:
        return sorted(path.name for path in (self.folder / directory / "cur").iterdir())

    def ids(self, mailbox: str = "INBOX") -> list[int]:
        found = self.queries.find_mailbox("bob", mailbox)
        assert found is not None
        return list(self.queries.message_ids(found.id))

    def mailbox_id(self, name: str) -> int:
        found = self.queries.find_mailbox("bob", name)
        assert found is not None
        return found.id

    def arrive(self, *messages: tuple[str, bytes], listed: set[str] | None = None) -> KeptArrivals:
        """Messages of (UIDL, raw) come in one group; `listed` is all that the server has, by default just these."""
        arrivals: list[Arrival] = []
        for uidl, raw in messages:
            download = self.local.maildrop.download()
            for start in range(0, len(raw), 7):
                download.write(raw[start : start + 7])
            file_size = download.finish()
            arrivals.append(
                Arrival(
                    uidl, download.path, download.sha256, len(raw), download.size, file_size,
                    parse_envelope(raw.partition(b"\r\n\r\n")[0]), int(time.time()), "Hello.", has_attachments=False,
                )
            )  # fmt: skip
        return self.local.maildrop.keep_arrivals(
            arrivals, listed if listed is not None else {uidl for uidl, _ in messages}
        )
