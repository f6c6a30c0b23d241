"""The objects that `--json` prints. They are documented in the README; keys are added, never renamed or removed."""

from __future__ import annotations

import msgspec

from termmail.cli.output import iso, with_command
from termmail.model.account import Account, CredentialKind, KeepKind, OfflineKind, Protocol, Server
from termmail.model.mailbox import Mailbox
from termmail.model.message import Address, MessageRow
from termmail.model.setup import Check
from termmail.model.status import Problem
from termmail.model.view import IntentResult

PASSWORD_FROM = {
    CredentialKind.KEYRING: "keyring",
    CredentialKind.COMMAND: "command",
    CredentialKind.SESSION: "ask",
    CredentialKind.OAUTH2: "oauth2",
    CredentialKind.TOKEN_COMMAND: "token-command",
}


class AddressShape(msgspec.Struct, frozen=True):
    name: str
    address: str


class MessageShape(msgspec.Struct, frozen=True):
    """One message in one mailbox. `thread` is null until there are threads."""

    id: int
    account: str
    mailbox: str
    uid: int | None
    message_id: str
    from_: list[AddressShape] = msgspec.field(name="from")
    to: list[AddressShape]
    cc: list[AddressShape]
    subject: str
    date: str | None
    received: str | None
    size: int
    flags: list[str]
    attachments: bool
    thread: int | None = None


class HeaderShape(msgspec.Struct, frozen=True):
    """One header field, decoded and unfolded, in the order of the message."""

    name: str
    value: str


class PartShape(msgspec.Struct, frozen=True):
    """One part of a message; `path` numbers it as IMAP does, `size` is in decoded bytes."""

    path: str
    type: str
    charset: str
    name: str
    size: int
    disposition: str
    attachment: bool


class AttachmentShape(msgspec.Struct, frozen=True):
    """One thing that a message holds beside its text; `saved` is the file it was saved as, or null."""

    path: str
    name: str
    type: str
    size: int
    disposition: str
    attachment: bool
    saved: str | None


class ShownMessageShape(MessageShape, frozen=True, kw_only=True):
    """What `show` adds: the header fields, the text as it is shown, and the parts."""

    headers: list[HeaderShape]
    text: str
    parts: list[PartShape]


class MailboxShape(msgspec.Struct, frozen=True):
    account: str
    name: str
    role: str
    total: int
    unread: int


class ServerShape(msgspec.Struct, frozen=True):
    host: str
    port: int
    security: str
    pin_sha256: str


class AccountShape(msgspec.Struct, frozen=True):
    name: str
    email: str
    full_name: str
    user: str
    protocol: str
    imap: ServerShape | None
    pop3: ServerShape | None
    smtp: ServerShape | None
    password_from: str
    password_command: str
    token_command: str
    oauth: str
    ca_file: str
    proxy: str
    offline: str | int | None
    keep: str | int | None
    enabled: bool


class ResultShape(msgspec.Struct, frozen=True):
    """What a change did, and to which messages."""

    sentence: str
    ids: list[int]
    undoable: bool


class SyncShape(msgspec.Struct, frozen=True):
    """How a pass over one account ended. What was done is null where an engine did the work."""

    account: str
    ok: bool
    sentence: str
    new_messages: int | None
    new_bodies: int | None
    pending: int
    carried_out: int | None


class ProblemShape(msgspec.Struct, frozen=True):
    at: str | None
    account: str
    mailbox: str
    message: int | None
    sentence: str
    detail: str


class CheckShape(msgspec.Struct, frozen=True):
    """One step of a check. `state` is ok, warning, skipped or failed; `part` account, receiving or sending; `fix` may be empty."""

    name: str
    ok: bool
    sentence: str
    fix: str
    part: str
    state: str


class AccountCheckShape(CheckShape, frozen=True, kw_only=True):
    """What `doctor` adds: whose step it is."""

    account: str


class OutboxRecipientShape(msgspec.Struct, frozen=True):
    """One recipient of a message that goes out; `state` is waiting, accepted or refused, `reply` what the server said."""

    address: str
    state: str
    reply: str


class OutboxShape(msgspec.Struct, frozen=True):
    """One message on its way out. `next` is null where it waits for somebody, or for nothing."""

    id: int
    account: str
    state: str
    sender: str
    recipients: list[OutboxRecipientShape]
    subject: str
    message_id: str
    size: int
    created: str | None
    next: str | None
    attempts: int
    sentence: str


def addresses(found: tuple[Address, ...]) -> list[AddressShape]:
    return [AddressShape(address.name, address.address) for address in found]


def message_values(row: MessageRow) -> dict[str, object]:
    """The values of a MessageShape."""
    return {
        "id": row.id,
        "account": row.account,
        "mailbox": row.mailbox,
        "uid": row.uid,
        "message_id": row.message_id_header,
        "from_": addresses(row.from_),
        "to": addresses(row.to),
        "cc": addresses(row.cc),
        "subject": row.subject,
        "date": iso(row.sent_at),
        "received": iso(row.received_at),
        "size": row.size,
        "flags": row.flags.names(),
        "attachments": row.has_attachments,
    }


def message_shape(row: MessageRow) -> MessageShape:
    return MessageShape(**message_values(row))  # type: ignore[arg-type]


def mailbox_shape(mailbox: Mailbox) -> MailboxShape:
    return MailboxShape(mailbox.account, mailbox.name, mailbox.role.value, mailbox.total, mailbox.unread)


def server_shape(server: Server) -> ServerShape:
    return ServerShape(server.host, server.port, server.security.value, server.pin_sha256)


def account_shape(account: Account) -> AccountShape:
    by_pop3 = account.protocol is Protocol.POP3
    credential = account.credential
    offline = account.offline.days if account.offline.kind is OfflineKind.DAYS else account.offline.kind.value
    keep = account.keep.days if account.keep.kind is KeepKind.DAYS else account.keep.kind.value
    return AccountShape(
        name=account.name,
        email=account.email,
        full_name=account.full_name,
        user=account.user,
        protocol=account.protocol.value,
        imap=None if by_pop3 else server_shape(account.incoming),
        pop3=server_shape(account.incoming) if by_pop3 else None,
        smtp=None if account.smtp is None else server_shape(account.smtp),
        password_from=PASSWORD_FROM[account.credential.kind],
        password_command=credential.command if credential.kind is CredentialKind.COMMAND else "",
        token_command=credential.command if credential.kind is CredentialKind.TOKEN_COMMAND else "",
        oauth="" if credential.provider is None else credential.provider.name,
        ca_file=account.ca_file,
        proxy=account.proxy,
        offline=None if by_pop3 else offline,
        keep=keep if by_pop3 else None,
        enabled=account.enabled,
    )


def check_shape(check: Check) -> CheckShape:
    return CheckShape(
        check.name,
        check.ok,
        check.sentence,
        with_command(check.fix, check.command),
        check.part.value,
        check.state.value,
    )


def result_shape(result: IntentResult) -> ResultShape:
    return ResultShape(result.sentence, list(result.placement_ids), result.undoable)


def problem_shape(problem: Problem) -> ProblemShape:
    return ProblemShape(
        iso(problem.at), problem.account, problem.mailbox, problem.placement_id, problem.sentence, problem.detail
    )
