"""A mail to oneself and back: sent, waited for, and deleted again."""

from __future__ import annotations

import io
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, localtime
from typing import NamedTuple

from termmail import __version__
from termmail.model.account import Account, Protocol, Server
from termmail.model.errors import SignInTooSoon, TermmailError
from termmail.model.flags import FlagSet
from termmail.model.mailbox import Role
from termmail.model.remote import RemoteMailbox, UidRange
from termmail.model.secret import Secret
from termmail.model.setup import Check, CheckPart
from termmail.protocols import imap, pop3, smtp
from termmail.setup.steps import Steps

SECONDS = 60.0
"""How long the mail may take."""

_BETWEEN_LOOKS = 2.0
_NAME = "there and back"
_STEPS = Steps(CheckPart.ACCOUNT)


class _Found(NamedTuple):
    """Where the mail was, and whether it is deleted now, or only marked as that."""

    role: Role
    deleted: bool


def send_and_wait(account: Account, server: Server, secret: Secret, seconds: float = SECONDS) -> Iterator[Check]:
    """Send a mail to the account's own address through `server`, and look for it in its inbox. Never raises TermmailError."""
    yield _STEPS.running(_NAME)
    message_id = f"<doctor.{secrets.token_hex(12)}@{account.email.rpartition('@')[2]}>"
    before = _known_uidls(account, secret)
    began = time.monotonic()
    try:
        _send(account, server, secret, message_id)
    except TermmailError as error:
        yield _STEPS.failed(_NAME, error)
        return
    look = _look_by_imap if account.protocol is Protocol.IMAP else _look_by_pop3
    try:
        while (found := look(account, secret, message_id, before)) is None:
            if time.monotonic() - began > seconds:
                break
            time.sleep(_BETWEEN_LOOKS)
    except TermmailError as error:
        yield _STEPS.failed(_NAME, error)
        return
    took = time.monotonic() - began
    if found is None:
        yield _STEPS.failed(
            _NAME,
            TermmailError(
                f"{server.host} took a mail to {account.email}, and it has not arrived within {seconds:.0f} seconds."
            ),
            fix="It may still come. If it does not, ask your provider whether it was held back; its subject is “termmail doctor”.",
        )
    elif found.role is Role.JUNK:
        yield _STEPS.warned(
            _NAME,
            f"A mail to {account.email} came back after {took:.1f} seconds, but into Junk.",
            "Tell your provider, or mark such mail as no junk: others may sort your mail out as well.",
        )
    else:
        yield _STEPS.passed(
            _NAME,
            f"A mail to {account.email} was back after {took:.1f} seconds, and is "
            + (
                "deleted again."
                if found.deleted
                else "marked as deleted: this server removes nothing on its own (UIDPLUS)."
            ),
        )


def _send(account: Account, server: Server, secret: Secret, message_id: str) -> None:
    message = EmailMessage(policy=SMTP)
    message["From"] = account.email
    message["To"] = account.email
    message["Subject"] = "termmail doctor"
    message["Date"] = format_datetime(localtime())
    message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(
        f"termmail {__version__} has sent this to see whether mail comes through. It deletes it again; if it is still here, you may.\n"
    )
    raw = message.as_bytes()
    session = smtp.connect(server, account.user, secret, ca_file=account.ca_file, proxy=account.proxy)
    try:
        session.submit(
            account.email,
            [account.email],
            io.BytesIO(raw),
            len(raw),
            eight_bit=False,
            utf8=not account.email.isascii(),
            before_data=lambda refused: None,
        )
    finally:
        session.close()


def _look_by_imap(account: Account, secret: Secret, message_id: str, _: frozenset[str]) -> _Found | None:
    """Where the mail is, after which it is deleted, there and in Sent: in Trash, since elsewhere Gmail only archives."""
    session = imap.connect(account.incoming, account.user, secret, ca_file=account.ca_file, proxy=account.proxy)
    try:
        mailboxes = {mailbox.role: mailbox for mailbox in session.list_mailboxes(with_status=False).mailboxes}
        for role in (Role.INBOX, Role.JUNK):
            if role not in mailboxes or not (uids := _search(session, mailboxes[role], message_id)):
                continue
            trash = mailboxes.get(Role.TRASH) if session.has("MOVE") else None
            deleted = _take_out(session, uids, trash)
            for other in (Role.SENT, Role.TRASH):
                if other in mailboxes and (uids := _search(session, mailboxes[other], message_id)):
                    deleted &= _take_out(session, uids, trash if other is Role.SENT else None)
            return _Found(role, deleted)
        return None
    finally:
        session.close()


def _search(session: imap.ImapSession, mailbox: RemoteMailbox, message_id: str) -> list[UidRange]:
    session.select(mailbox.wire_name)
    return [UidRange(uid, uid) for uid in session.search_message_id(message_id)]


def _take_out(session: imap.ImapSession, uids: list[UidRange], trash: RemoteMailbox | None) -> bool:
    """Out of the mailbox that is selected; whether it is gone from there."""
    if trash is not None:
        session.move(uids, trash.wire_name)
        return True
    session.store_flags(uids, FlagSet.parse(["\\Deleted"]), FlagSet())
    return session.expunge(uids)


def _known_uidls(account: Account, secret: Secret) -> frozenset[str]:
    """With POP3, what is there before; a server that can't say it now is looked at whole later."""
    if account.protocol is Protocol.IMAP:
        return frozenset()
    with suppress(TermmailError):
        session = pop3.connect(account.incoming, account.user, secret, ca_file=account.ca_file, proxy=account.proxy)
        try:
            return frozenset(entry.uidl for entry in session.listing().entries if entry.uidl)
        finally:
            session.close()
    return frozenset()


def _look_by_pop3(account: Account, secret: Secret, message_id: str, before: frozenset[str]) -> _Found | None:
    try:
        session = pop3.connect(account.incoming, account.user, secret, ca_file=account.ca_file, proxy=account.proxy)
    except SignInTooSoon:
        return None
    try:
        # The newest first, which it almost always is.
        for entry in reversed(session.listing().entries):
            if entry.uidl in before:
                continue
            if message_id.encode() in session.top(entry.number, 0):
                session.delete([entry.number])
                session.quit()
                return _Found(Role.INBOX, deleted=True)
        return None
    finally:
        session.close()
