"""Model values as they lie in columns, and rows as model values."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Iterable

import msgspec

from termmail.model.flags import Flag, FlagSet
from termmail.model.local import MailboxState
from termmail.model.mailbox import Mailbox, Role
from termmail.model.message import BodyState, Envelope, MessageRow
from termmail.model.operation import Operation, OperationState, Payload
from termmail.model.remote import MailboxStatus

_envelope_encoder = msgspec.msgpack.Encoder()
_envelope_decoder = msgspec.msgpack.Decoder(Envelope)
_payload_decoder = msgspec.json.Decoder(Payload)
_status_decoder = msgspec.json.Decoder(MailboxStatus)

MESSAGE_COLUMNS = """p.id, p.message_id, p.mailbox_id, a.name, b.name, p.uid, m.envelope, p.received_at, m.size, p.flags,
    p.keywords, m.has_attachments, m.preview, m.body_state, p.pending, m.problem, p.changed"""
MESSAGE_TABLES = """placement p JOIN message m ON m.id = p.message_id JOIN mailbox b ON b.id = p.mailbox_id
    JOIN account a ON a.id = b.account_id"""
MAILBOX_COLUMNS = """b.id, a.name, b.name, b.delimiter, b.role, b.selectable, b.subscribed, b.total, b.unread, b.complete,
    b.fresh_at, b.pending, b.changed"""
MAILBOX_TABLES = "mailbox b JOIN account a ON a.id = b.account_id"
STATE_COLUMNS = """b.id, a.name, b.base_name, b.wire_name, b.delimiter, b.role, b.selectable, b.base_subscribed,
    b.uidvalidity, b.uidnext, b.highestmodseq, b.floor, b.complete, b.status, b.refused_keywords, b.candidates"""
OPERATION_COLUMNS = "o.id, a.name, o.placement_id, o.payload, o.state, o.attempts, o.next_at, o.last_error"
OPERATION_TABLES = "operation o JOIN account a ON a.id = o.account_id"


def column_text(text: str) -> str:
    """Text that sqlite takes: a lone surrogate can't be UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def encode_envelope(envelope: Envelope) -> bytes:
    try:
        return _envelope_encoder.encode(envelope)
    except UnicodeEncodeError:
        return _envelope_encoder.encode(_without_surrogates(msgspec.to_builtins(envelope)))


def _without_surrogates(value: object) -> object:
    """A lone surrogate can't be UTF-8, and one message must not hold up the rest (P3)."""
    match value:
        case str():
            return column_text(value)
        case list() | tuple():
            return [_without_surrogates(one) for one in value]
        case dict():
            return {key: _without_surrogates(one) for key, one in value.items()}
    return value


def decode_envelope(data: bytes) -> Envelope:
    return _envelope_decoder.decode(data)


def keywords_text(keywords: frozenset[str]) -> str:
    """Keywords sorted and separated by spaces, which no keyword can hold (RFC 9051 atoms)."""
    return column_text(" ".join(sorted(keywords))) if keywords else ""


@functools.lru_cache(maxsize=512)
def keyword_set(text: str) -> frozenset[str]:
    return frozenset(text.split(" ")) if text else frozenset()


@functools.lru_cache(maxsize=1024)
def flag_set(system: int, keywords: str) -> FlagSet:
    return FlagSet(Flag(system), keyword_set(keywords))


def encode_payload(payload: Payload) -> str:
    return msgspec.json.encode(payload).decode()


def decode_payload(text: str) -> Payload:
    payload: Payload = _payload_decoder.decode(text)
    return payload


def json_ids(ids: Iterable[int]) -> str:
    """Ids for `IN (SELECT value FROM json_each(?))`, of which there may be any number."""
    return msgspec.json.encode(list(ids)).decode()


def encode_status(status: MailboxStatus | None) -> str | None:
    return None if status is None else msgspec.json.encode(status).decode()


def message_row(row: sqlite3.Row | tuple[object, ...]) -> MessageRow:
    """A row of MESSAGE_COLUMNS."""
    (
        placement_id, message_id, mailbox_id, account, mailbox, uid, envelope_data, received_at, size, flags,
        keywords, has_attachments, preview, body_state, pending, problem, changed,
    ) = row  # fmt: skip
    envelope = _envelope_decoder.decode(envelope_data)  # type: ignore[arg-type]
    return MessageRow(
        id=placement_id,  # type: ignore[arg-type]
        message_id=message_id,  # type: ignore[arg-type]
        mailbox_id=mailbox_id,  # type: ignore[arg-type]
        account=account,  # type: ignore[arg-type]
        mailbox=mailbox,  # type: ignore[arg-type]
        uid=uid,  # type: ignore[arg-type]
        message_id_header=envelope.message_id_header,
        from_=envelope.from_,
        to=envelope.to,
        cc=envelope.cc,
        subject=envelope.subject,
        sent_at=envelope.sent_at,
        received_at=received_at,  # type: ignore[arg-type]
        size=size,  # type: ignore[arg-type]
        flags=flag_set(flags, keywords),
        has_attachments=bool(has_attachments),
        preview=preview,  # type: ignore[arg-type]
        body_state=BodyState(body_state),
        pending=bool(pending),
        problem=problem,  # type: ignore[arg-type]
        changed=changed,  # type: ignore[arg-type]
    )


def mailbox_row(row: tuple[object, ...]) -> Mailbox:
    """A row of MAILBOX_COLUMNS."""
    mailbox: Mailbox = msgspec.convert(dict(zip(Mailbox.__struct_fields__, row, strict=True)), Mailbox, strict=False)
    return mailbox


def mailbox_state(row: tuple[object, ...]) -> MailboxState:
    """A row of STATE_COLUMNS."""
    values = dict(zip(MailboxState.__struct_fields__, row, strict=True))
    status, refused = values.pop("status"), values.pop("refused_keywords")
    wire_name, role = values.pop("wire_name"), values.pop("role")
    for name in ("selectable", "subscribed", "complete"):
        values[name] = bool(values[name])
    return MailboxState(
        **values,  # type: ignore[arg-type]
        wire_name=None if wire_name is None else bytes(wire_name),  # type: ignore[call-overload]
        role=Role(role),
        status=None if status is None else _status_decoder.decode(status),  # type: ignore[arg-type]
        refused_keywords=keyword_set(str(refused)),
    )


def operation_row(row: tuple[object, ...]) -> Operation:
    """A row of OPERATION_COLUMNS."""
    operation_id, account, placement_id, payload, state, attempts, next_at, last_error = row
    return Operation(
        id=operation_id,  # type: ignore[arg-type]
        account=account,  # type: ignore[arg-type]
        placement_id=placement_id,  # type: ignore[arg-type]
        payload=decode_payload(payload),  # type: ignore[arg-type]
        state=OperationState(state),
        attempts=attempts,  # type: ignore[arg-type]
        next_at=next_at,  # type: ignore[arg-type]
        last_error=last_error,  # type: ignore[arg-type]
    )
