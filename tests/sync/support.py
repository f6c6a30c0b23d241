"""A termmail of a test's own: a home, its store, and passes against a server."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Protocol

from servers.digest import Contents, raw_digest
from termmail.model.account import Account, OfflinePolicy, Security, Server
from termmail.model.account import Protocol as Incoming
from termmail.model.flags import FlagSet
from termmail.model.home import Home
from termmail.model.message import MessageRow
from termmail.model.secret import Secret
from termmail.protocols import imap
from termmail.store.ingest import Ingest
from termmail.store.intents import Intents
from termmail.store.journal import Journal
from termmail.store.queries import Queries
from termmail.sync.imap import ImapSync

EXTENSIONS = (
    "CONDSTORE", "QRESYNC", "MOVE", "UIDPLUS", "ESEARCH", "LIST-STATUS", "LIST-EXTENDED", "SPECIAL-USE", "LITERAL+", "ID",
    "ENABLE", "NOTIFY",
)  # fmt: skip


class MailServer(Protocol):
    """What Dovecot, PymapServer and a proxy's stand-in have in common."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...

    def password(self, user: str) -> str: ...


def make_account(
    port: int, user: str, *, name: str = "test", offline: OfflinePolicy | None = None, connections: int = 3
) -> Account:
    return Account(
        name=name,
        email="lisa@example.org",
        protocol=Incoming.IMAP,
        incoming=Server("127.0.0.1", port, Security.NONE),
        smtp=None,
        user=user,
        offline=offline or OfflinePolicy(),
        connections=connections,
    )


class Client:
    """One home with one account at `server`. `port` may be that of a proxy; `disable` hides extensions of the server."""

    def __init__(
        self,
        folder: Path,
        server: MailServer,
        user: str,
        *,
        port: int | None = None,
        disable: tuple[str, ...] = (),
        offline: OfflinePolicy | None = None,
    ) -> None:
        self.home = Home.under(folder)
        self.account = make_account(port or server.port, user, offline=offline)
        self.secret = Secret(server.password(user))
        self.disable = disable
        self.should_stop: Callable[[], bool] = lambda: False
        self.activities: list[tuple[str, int, int]] = []
        self.ingest = Ingest(self.home)
        self.journal = Journal(self.ingest.database)
        self.ingest.register_accounts((self.account,))
        self.queries = Queries(self.home)
        self.intents = Intents(self.home)

    def close(self) -> None:
        self.intents.close()
        self.queries.close()
        self.ingest.close()

    def show_progress(self, activity: str, done: int, total: int) -> None:
        """What a pass tells."""
        self.activities.append((activity, done, total))

    @contextlib.contextmanager
    def session(self) -> Iterator[imap.ImapSession]:
        session = imap.connect(self.account.incoming, self.account.user, self.secret)
        session.disable(*self.disable)
        try:
            yield session
        finally:
            session.close()

    @contextlib.contextmanager
    def syncing(self) -> Iterator[ImapSync]:
        with self.session() as session:
            yield ImapSync(
                session,
                self.ingest,
                self.journal,
                self.account,
                lambda *activity: self.show_progress(*activity),
                lambda: self.should_stop(),
            )

    def sync(self, *, bodies: bool = True, thorough: bool = True) -> ImapSync:
        """One pass over a connection of its own."""
        with self.syncing() as sync:
            sync.run(thorough=thorough)
            if bodies:
                sync.bodies()
            return sync

    def mailbox_id(self, name: str) -> int:
        found = self.queries.find_mailbox("test", name)
        assert found is not None, f"there is no {name}"
        return found.id

    def rows(self, name: str = "INBOX") -> list[MessageRow]:
        """A mailbox's rows, newest first."""
        ids = self.queries.message_ids(self.mailbox_id(name))
        return [row for row in self.queries.rows(list(ids)) if row is not None]

    def unmarked(self, name: str = "INBOX") -> list[MessageRow]:
        """As `rows`, without what is marked as deleted: a server without UIDPLUS keeps it (S9)."""
        return [row for row in self.rows(name) if "\\Deleted" not in row.flags]

    def row(self, subject: str, name: str = "INBOX") -> MessageRow:
        (found,) = [row for row in self.unmarked(name) if row.subject == subject]
        return found

    def subjects(self, name: str = "INBOX") -> list[str]:
        return sorted(row.subject for row in self.unmarked(name))

    def contents(self, digest: Callable[[bytes], str] = raw_digest) -> Contents:
        """What the store shows: mailbox → Counter of (digest of the body, flags). A body that is not here fails."""
        contents: Contents = {}
        for mailbox in self.queries.mailboxes("test"):
            if not mailbox.selectable:
                continue
            counter: Counter[tuple[str, frozenset[str]]] = Counter()
            for row in self.rows(mailbox.name):
                raw = self.queries.raw(row.id)
                assert raw is not None, f"{row.subject} in {mailbox.name} has no body"
                counter[digest(raw), frozenset(row.flags.names())] += 1
            assert mailbox.total == counter.total(), f"the stored count of {mailbox.name} is wrong"
            contents[mailbox.name] = counter
        return contents

    def sentences(self) -> list[str]:
        return [problem.sentence for problem in self.queries.problems()]


def message(subject: str, *, body: str = "Hello.", size: int = 0) -> bytes:
    """A message whose Message-ID follows from its subject; `size` pads its body."""
    mail = EmailMessage()
    mail["From"] = "Alice Example <alice@example.org>"
    mail["To"] = "lisa@example.org"
    mail["Subject"] = subject
    mail["Date"] = "Mon, 06 Jan 2025 10:00:00 +0000"
    mail["Message-ID"] = f"<{subject.encode().hex()}@example.org>"
    mail.set_content(body + "\n" + ("x" * 70 + "\n") * (size // 71))
    return mail.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def messages(count: int, prefix: str = "mail") -> list[bytes]:
    return [message(f"{prefix} {number}") for number in range(1, count + 1)]


def flags(*names: str) -> FlagSet:
    return FlagSet.parse(names)
