"""pymap's in-memory backend as an IMAP server on loopback. Imported only by the process that is the provider."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
from argparse import Namespace
from collections.abc import Iterable, Mapping

from proxyprotocol.reader import ProxyProtocolReader
from pymap.backend.dict import Config, Identity, Login
from pymap.exceptions import MailboxConflict
from pymap.imap import IMAPServer
from pymap.parsing.message import AppendMessage
from pymap.parsing.specials.flag import Flag
from pymap.user import UserMetadata
from pysasl.hashing import Cleartext


class _DemoConfig(Config):
    """As pymap's, but for a greeting that asks no name server for this machine's name."""

    @property
    def greeting(self) -> bytes:
        return b"termmail demo ready"


class ImapHost:
    """An IMAP server whose mail is in memory: no TLS, no SPECIAL-USE, no keywords; MOVE, UIDPLUS and IDLE.

    `users` maps names to passwords. Everything must be called on the event loop that `start` was called on.
    """

    host = "127.0.0.1"

    def __init__(self, users: Mapping[str, str]) -> None:
        self._config = _DemoConfig(
            Namespace(passlib_cfg=None, proxy_protocol=None),
            host=self.host,
            port=0,
            demo_data=False,
            demo_user="",
            demo_password="",
            tls_enabled=False,
            reject_dnsbl=False,
            invalid_user_sleep=0.0,
            hash_context=Cleartext(),
        )
        self._login = Login(self._config)
        self._users = dict(users)
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self, port: int = 0) -> None:
        """Listen; `port` 0 takes a free one and says it in `self.port`."""
        self._config.apply_context()
        for name, password in self._users.items():
            await self._identity(name).set(UserMetadata(self._config, name, password=password))
        serve = ProxyProtocolReader(self._config.proxy_protocol).get_callback(IMAPServer(self._login, self._config))
        self._server = await asyncio.start_server(serve, self.host, port)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Take no more connections. Those that are open end with their tasks, which the loop's owner cancels."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def knows(self, user: str) -> bool:
        """Whether there is such a user."""
        return user in self._users

    async def create(self, user: str, mailbox: str) -> None:
        """Make sure that a mailbox exists and is subscribed to, "/" between its levels."""
        async with self._identity(user).new_session() as session:
            if mailbox.upper() != "INBOX":
                with contextlib.suppress(MailboxConflict):
                    await session.create_mailbox(mailbox)
            await session.subscribe(mailbox)

    async def append(
        self,
        user: str,
        mailbox: str,
        raw: bytes,
        *,
        flags: Iterable[str] = (),
        received: datetime.datetime | None = None,
    ) -> None:
        """Add a message to a mailbox, byte for byte, and wake whoever idles on it. `received` is now by default."""
        when = received or datetime.datetime.now(datetime.UTC)
        message = AppendMessage(raw, when, frozenset(Flag(name.encode("ascii")) for name in flags))
        async with self._identity(user).new_session() as session:
            await session.append_messages(mailbox, [message])

    def _identity(self, user: str) -> Identity:
        return Identity(user, self._login, None, frozenset())
