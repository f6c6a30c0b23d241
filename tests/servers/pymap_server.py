"""pymap's in-memory server, the second counterpart: MOVE, UIDPLUS and IDLE, but no CONDSTORE, SPECIAL-USE or LIST-STATUS."""

from __future__ import annotations

import asyncio
import datetime
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping
from types import TracebackType
from typing import Any

from servers.digest import Contents, raw_digest
from servers.imap_reader import read_contents
from servers.ports import free_ports
from termmail.demo.imap import ImapHost

_MAILBOXES = ("Archive", "Drafts", "Junk", "Sent", "Trash")


class PymapServer:
    """A context manager; runs in a thread. Each user has INBOX and the usual mailboxes. It drops keywords."""

    host = "127.0.0.1"

    def __init__(self, users: Mapping[str, str] | None = None) -> None:
        self.users = dict({"lisa": "secret"} if users is None else users)
        (self.port,) = free_ports(1)
        self._host: ImapHost | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="pymap", daemon=True)

    def __enter__(self) -> PymapServer:
        self._thread.start()
        self._call(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def password(self, user: str) -> str:
        return self.users[user]

    def create(self, user: str, *mailboxes: str) -> None:
        """Create mailboxes, "/" between the levels."""
        for mailbox in mailboxes:
            self._call(self._running().create(user, mailbox))

    def make(
        self,
        user: str,
        mailbox: str,
        messages: Iterable[bytes],
        *,
        flags: Iterable[str] | Callable[[int], Iterable[str]] = (),
        received: Callable[[int], float] | None = None,
    ) -> int:
        """Put messages into a mailbox, byte for byte; returns how many. As `Dovecot.make`."""
        fixed = () if callable(flags) else tuple(flags)
        count = 0
        for index, raw in enumerate(messages):
            names = flags(index) if callable(flags) else fixed
            when = datetime.datetime.fromtimestamp(received(index), datetime.UTC) if received is not None else None
            self._call(self._running().append(user, mailbox, raw, flags=names, received=when))
            count += 1
        return count

    def deliver(self, user: str, raw: bytes) -> None:
        """New mail into INBOX; wakes IDLE."""
        self.make(user, "INBOX", [raw])

    def state(self, user: str, *, digest: Callable[[bytes], str] = raw_digest) -> Contents:
        """What the server holds for this user, read over IMAP: mailbox → Counter of (SHA-256, flags)."""
        return read_contents(self.host, self.port, user, self.password(user), digest=digest)

    async def _start(self) -> None:
        host = ImapHost(self.users)
        await host.start(self.port)
        for user in self.users:
            for mailbox in ("INBOX", *_MAILBOXES):
                await host.create(user, mailbox)
        self._host = host

    def _running(self) -> ImapHost:
        if self._host is None:
            raise RuntimeError("pymap was not started")
        return self._host

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        if self._host is not None:
            self._loop.run_until_complete(self._host.stop())
        while tasks := asyncio.all_tasks(self._loop):
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
