"""A store with one account, and what submits its mail to a server of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from engine.sending import queue
from filled_store import FilledStore
from termmail.model.account import Account, Security, Server
from termmail.model.outgoing import OutboxItem
from termmail.model.secret import Secret
from termmail.protocols import smtp
from termmail.protocols.smtp import SmtpSession
from termmail.store.outbox import Outbox
from termmail.sync.submit import Submitter


class Sessions:
    """As the engine's connector, without its pauses."""

    def __init__(self, account: Account, *, seconds: float = 30.0) -> None:
        self._account = account
        self._timeouts = smtp.Timeouts(connect=seconds, command=seconds, message=seconds)
        self.opened = 0

    def connect(self, should_stop: Callable[[], bool]) -> SmtpSession:
        assert self._account.smtp is not None
        self.opened += 1
        return smtp.connect(self._account.smtp, self._account.user, Secret("secret"), timeouts=self._timeouts)

    def close(self, session: SmtpSession) -> None:
        session.close()

    def drop(self, session: SmtpSession) -> None:
        session.abort()
        session.close()


class Sender:
    """Lisa's outbox, and a submitter for it. To be closed."""

    def __init__(self, folder: Path, port: int, *, seconds: float = 30.0) -> None:
        self.store = FilledStore(folder, count=0)
        (account,) = self.store.accounts
        self.account = msgspec.structs.replace(account, smtp=Server("127.0.0.1", port, Security.NONE))
        self.outbox = Outbox(self.store.ingest.database)
        self.sessions = Sessions(self.account, seconds=seconds)
        self.told: list[str] = []
        self.progress: list[str] = []
        self.submitter = Submitter(
            self.outbox,
            self.account,
            self.sessions,
            lambda activity, done, total: self.progress.append(activity),
            lambda sentence, detail: self.told.append(sentence),
        )

    def queue(self, *recipients: str, subject: str = "Boats", size: int = 0) -> int:
        return queue(self.store.home, *recipients, subject=subject, account="lisa", size=size)

    def run(self) -> None:
        self.submitter.run(lambda: False)

    def item(self, outbox_id: int) -> OutboxItem:
        found = self.store.queries.outbox_item(outbox_id)
        assert found is not None
        return found

    def ask_again(self, outbox_id: int) -> None:
        """As the user does who does not want to wait."""
        self.store.intents.send_now(outbox_id)

    def copies(self) -> int:
        return len(self.store.ids("Sent"))

    def close(self) -> None:
        self.store.close()
