"""The demo's mail provider as a program: `python -m termmail.demo.provider --home DIR`.

It starts an IMAP, a POP3 and an SMTP server on loopback, without TLS, with Lisa's and Bob's mail in memory, prints one line of
JSON, an `Announcement`, and ends when its stdin closes, so that it never outlives whoever started it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import logging
import os
import secrets
import signal
import sys
import threading
from pathlib import Path

import msgspec

from termmail.demo.announcement import LOG_NAME, Announcement
from termmail.demo.imap import ImapHost
from termmail.demo.mail import MAILBOXES, USERS, demo_mail
from termmail.demo.pop3 import Pop3Host
from termmail.demo.smtp import SmtpHost

_log = logging.getLogger("termmail.demo")


class Provider:
    """The servers, with one `deliver` behind them. What is deleted by POP3 stays in the IMAP server's INBOX."""

    def __init__(self) -> None:
        self.passwords = {user: secrets.token_urlsafe(12) for user in USERS}
        self._imap = ImapHost(self.passwords)
        self._pop3 = Pop3Host(self.passwords)
        self._smtp = SmtpHost(self.passwords, self.deliver)

    async def start(self, now: datetime.datetime) -> Announcement:
        """Listen, and fill the mailboxes with mail dated relative to `now`."""
        await self._imap.start()
        for user in USERS:
            for mailbox in MAILBOXES:
                await self._imap.create(user, mailbox)
        for sample in demo_mail(now):
            await self._imap.append(
                sample.user, sample.mailbox, sample.raw, flags=sample.flags, received=sample.received
            )
            if sample.mailbox == "INBOX":
                self._pop3.append(sample.user, sample.raw)
        await self._pop3.start()
        await self._smtp.start()
        return Announcement(
            imap_port=self._imap.port, pop3_port=self._pop3.port, smtp_port=self._smtp.port, passwords=self.passwords
        )

    async def stop(self) -> None:
        await self._smtp.stop()
        await self._pop3.stop()
        await self._imap.stop()

    async def deliver(self, recipient: str, raw: bytes) -> None:
        """New mail for one of the users, byte for byte; wakes whoever idles on their INBOX."""
        await self._imap.append(recipient, "INBOX", raw)
        self._pop3.append(recipient, raw)
        _log.info("delivered %d bytes to %s", len(raw), recipient)


async def _run(now: datetime.datetime) -> None:
    provider = Provider()
    announcement = await provider.start(now)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    threading.Thread(target=_wait_for_end, args=(loop, ended), name="stdin", daemon=True).start()
    sys.stdout.write(msgspec.json.encode(announcement).decode() + "\n")
    sys.stdout.flush()
    await ended.wait()
    await provider.stop()


def _wait_for_end(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    # The loop may have been closed by a signal meanwhile.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(ended.set)


def main() -> None:
    """Parse the arguments and serve until stdin closes, SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m termmail.demo.provider")
    parser.add_argument("--home", type=Path, required=True, help="the folder for provider.log")
    parser.add_argument("--now", type=datetime.datetime.fromisoformat, help="the moment the mail is dated from")
    parser.add_argument("--quiet-log", action="store_true", help="log nothing but warnings")
    options = parser.parse_args()
    os.umask(0o077)
    options.home.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        filename=options.home / LOG_NAME,
        level=logging.WARNING if options.quiet_log else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    # What these two say at INFO holds whole commands, the password of LOGIN among them.
    for name in ("pymap", "mail.log", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    now = (options.now or datetime.datetime.now()).astimezone()
    asyncio.run(_run(now))


if __name__ == "__main__":
    main()
