"""Replies, forwards and drafts to be continued, from a received message (RFC 5322 §3.6).

Nothing of a header is taken over verbatim: what comes from the mail is decoded, made safe, and written anew by `building` (A5).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence

import msgspec

from termmail.mime.addresses import parse_addresses
from termmail.mime.addressing import check_recipients, format_address, format_addresses
from termmail.mime.building import ANSWERS_FIELD, FORWARDS_FIELD
from termmail.mime.charsets import decode_text
from termmail.mime.flowed import SIGNATURE_MARK, unflow
from termmail.mime.headers import decode_header, header_fields
from termmail.mime.parts import parse_message
from termmail.mime.render import message_text
from termmail.mime.safe_text import safe_address, safe_text
from termmail.mime.structure import Tree
from termmail.model.account import Identity
from termmail.model.body import Part
from termmail.model.errors import Unsendable
from termmail.model.message import Address, Envelope
from termmail.model.outgoing import Draft, ReplyKind

_LONGEST_QUOTE = 400_000
_REPLY = re.compile(r"(?:(?:re|aw|sv|vs|antw|odp|ref|rif|r)(?:\[\d+\]|\^\d+)?\s*[:：]\s*)+", re.IGNORECASE)
_FORWARD = re.compile(r"(?:(?:fwd?|wg|vs|tr|rv|i)\s*[:：]\s*)+", re.IGNORECASE)
_ID = re.compile(rb"<([^<>\s]+)>")
_MAILTO = re.compile(r"<\s*mailto:([^>?\s]+)[^>]*>", re.IGNORECASE)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Original(msgspec.Struct, frozen=True):
    """What a reply or forward is made of. `text` is to be quoted. `list_post` is the list's address (RFC 2369) or empty, `followup_to`
    whom the writer wants replies to all to go to; `delivered_to` are the addresses that the mail came to."""

    envelope: Envelope
    text: str
    list_post: str
    followup_to: tuple[Address, ...]
    delivered_to: tuple[str, ...]
    attachments: tuple[Part, ...]


def original(raw: bytes) -> Original:
    """A received message as far as a reply needs it. Never raises on bad mail."""
    parsed = parse_message(raw)
    fields: dict[str, bytes] = {}
    for name, value in header_fields(raw):
        fields.setdefault(name.lower(), value)

    def addresses(name: str) -> tuple[Address, ...]:
        return parse_addresses(decode_header(fields.get(name, b"")))

    post = _MAILTO.search(decode_header(fields.get("list-post", b"")))
    delivered = [one.address for name in ("delivered-to", "x-original-to", "envelope-to") for one in addresses(name)]
    return Original(
        parsed.envelope,
        message_text(raw),
        "" if post is None else post[1],
        addresses("mail-followup-to"),
        tuple(delivered),
        parsed.attachments,
    )


def reply(
    to_what: Original,
    *,
    draft_id: str,
    account: str,
    identities: Sequence[Identity],
    kind: ReplyKind = ReplyKind.SENDER,
) -> Draft:
    """A draft that answers a message, from the identity it came to. Raises Unsendable where there is nobody to reply to.

    The text begins with an empty line to write in; the quoted text follows, then the signature.
    """
    envelope = to_what.envelope
    identity = identity_for(to_what, identities)
    own = {one.address.casefold() for one in identities}
    to, cc = _targets(to_what, kind, own)
    if not to:
        raise Unsendable("There is nobody to reply to: the message does not say who wrote it.")
    body = f"\n\n{attribution(envelope)}\n{quoted(to_what.text)}\n"
    return Draft(
        id=draft_id,
        account=account,
        from_=Address(identity.name, identity.address),
        to=format_addresses(to),
        cc=format_addresses(cc),
        subject=f"Re: {bare_subject(envelope.subject)}".strip(),
        body=_signed(body, identity),
        in_reply_to=envelope.message_id_header,
        references=_references(envelope),
        answers=envelope.message_id_header,
    )


def forward(
    what: Original, *, draft_id: str, account: str, identities: Sequence[Identity], inline: bool = True
) -> tuple[Draft, tuple[str, ...]]:
    """A draft that sends a message on, and the paths of the parts to attach to it.

    With `inline` its text follows below its most important fields; otherwise the caller attaches the message itself.
    """
    envelope = what.envelope
    identity = identity_for(what, identities)
    body = "\n"
    parts: tuple[str, ...] = ()
    if inline:
        body += f"\n{_forwarded(envelope)}\n{_cut(what.text)}\n"
        parts = tuple(part.part_path for part in what.attachments)
    draft = Draft(
        id=draft_id,
        account=account,
        from_=Address(identity.name, identity.address),
        subject=f"Fwd: {bare_subject(envelope.subject)}".strip(),
        body=_signed(body, identity),
        references=_references(envelope),
        forwards=envelope.message_id_header,
    )
    return draft, parts


def draft_from(
    raw: bytes, *, draft_id: str, account: str, identities: Sequence[Identity], as_new: bool = False
) -> tuple[Draft, tuple[str, ...]]:
    """A message of a Drafts mailbox, or with `as_new` any message, for writing on, and the paths of the parts to attach again."""
    parsed = parse_message(raw)
    envelope = parsed.envelope
    fields: dict[str, bytes] = {}
    for name, value in header_fields(raw):
        fields.setdefault(name.lower(), value)

    def typed(name: str, found: tuple[Address, ...]) -> str:
        text = safe_text(decode_header(fields.get(name, b"")), one_line=True)
        written = format_addresses([_safe(one) for one in found])
        try:
            check_recipients(written)
        except Unsendable:
            return text
        return written

    def one_id(name: str) -> str:
        found = _ID.search(fields.get(name.lower(), b""))
        return "" if found is None or as_new else found[1].decode("ascii", "replace")

    own = {one.address.casefold(): one for one in identities}
    written_by = envelope.from_[0] if envelope.from_ else None
    identity = own.get(written_by.address.casefold(), identities[0]) if written_by is not None else identities[0]
    draft = Draft(
        id=draft_id,
        account=account,
        from_=Address(identity.name, identity.address),
        to=typed("to", envelope.to),
        cc=typed("cc", envelope.cc),
        bcc=typed("bcc", envelope.bcc),
        reply_to="" if as_new else typed("reply-to", envelope.reply_to),
        subject=safe_text(envelope.subject, one_line=True),
        body=_typed_text(raw),
        in_reply_to="" if as_new else envelope.in_reply_to,
        references=() if as_new else envelope.references,
        answers=one_id(ANSWERS_FIELD),
        forwards=one_id(FORWARDS_FIELD),
    )
    return draft, tuple(part.part_path for part in parsed.attachments)


def identity_for(what: Original, identities: Sequence[Identity]) -> Identity:
    """The identity that a message came to, or was written by; the first where none is named in it."""
    by_address = {one.address.casefold(): one for one in reversed(identities)}
    envelope = what.envelope
    named = [*(one.address for one in (*envelope.to, *envelope.cc)), *what.delivered_to]
    named += [one.address for one in envelope.from_]
    for address in named:
        folded = address.casefold()
        local, _, domain = folded.rpartition("@")
        found = by_address.get(folded) or by_address.get(f"{local.partition('+')[0]}@{domain}")
        if found is not None:
            return found
    return identities[0]


def _targets(what: Original, kind: ReplyKind, own: set[str]) -> tuple[tuple[Address, ...], tuple[Address, ...]]:
    """(To, Cc)."""
    envelope = what.envelope
    if kind is ReplyKind.LIST:
        if not what.list_post:
            raise Unsendable("This message did not come from a mailing list that takes replies. Reply to all instead.")
        return (Address("", what.list_post),), ()
    writers = envelope.from_ or envelope.sender
    answers_to = envelope.reply_to or writers
    if what.list_post and _addresses_of(answers_to) == {what.list_post.casefold()}:
        # The list has put itself into Reply-To: who wants to write to it has a key for that.
        answers_to = writers
    by_oneself = bool(_addresses_of(envelope.from_)) and _addresses_of(envelope.from_) <= own
    if by_oneself:
        answers_to = envelope.to or answers_to
    to = _each_once(map(_safe, answers_to), set())
    if kind is ReplyKind.SENDER:
        return to, ()
    if what.followup_to and not by_oneself:
        return _each_once(map(_safe, what.followup_to), own) or to, ()
    others = envelope.cc if by_oneself else (*envelope.to, *envelope.cc)
    return to, _each_once(map(_safe, others), own | _addresses_of(to))


def _addresses_of(addresses: Iterable[Address]) -> set[str]:
    return {one.address.casefold() for one in addresses}


def _each_once(addresses: Iterable[Address], without: set[str]) -> tuple[Address, ...]:
    found: dict[str, Address] = {}
    for one in addresses:
        if one.address and one.address.casefold() not in without:
            found.setdefault(one.address.casefold(), one)
    return tuple(found.values())


def _safe(address: Address) -> Address:
    return Address(safe_text(address.name, one_line=True), safe_address(address.address))


def _references(envelope: Envelope) -> tuple[str, ...]:
    """RFC 5322 §3.6.4."""
    earlier = envelope.references or ((envelope.in_reply_to,) if envelope.in_reply_to else ())
    own = (envelope.message_id_header,) if envelope.message_id_header else ()
    return tuple(dict.fromkeys((*earlier, *own)))


def bare_subject(subject: str) -> str:
    """The subject on one safe line, without what earlier replies and forwards put in front of it."""
    text = safe_text(subject, one_line=True).strip()
    while True:
        shorter = text[match.end() :] if (match := _REPLY.match(text) or _FORWARD.match(text)) else text
        if shorter == text or not shorter:
            return text
        text = shorter


def attribution(envelope: Envelope) -> str:
    """The line above quoted text."""
    writer = envelope.from_[0] if envelope.from_ else Address("", "somebody")
    name = format_address(_safe(writer)) if writer.address else safe_text(writer.name, one_line=True)
    return f"On {_when(envelope.sent_at)}, {name} wrote:" if envelope.sent_at is not None else f"{name} wrote:"


def quoted(text: str) -> str:
    """Text one level deeper, without its signature and the empty lines around it."""
    lines = _cut(text).split("\n")
    if SIGNATURE_MARK in lines:
        lines = lines[: lines.index(SIGNATURE_MARK)]
    body = "\n".join(lines).strip("\n")
    return "\n".join(f">{line}" if line.startswith(">") else f"> {line}" if line else ">" for line in body.split("\n"))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE].rpartition("\n")[0] + "\n[…]"


def _forwarded(envelope: Envelope) -> str:
    rows = [
        ("From", format_addresses([_safe(one) for one in envelope.from_])),
        ("Date", "" if envelope.sent_at is None else _when(envelope.sent_at)),
        ("Subject", safe_text(envelope.subject, one_line=True)),
        ("To", format_addresses([_safe(one) for one in envelope.to[:50]])),
        ("Cc", format_addresses([_safe(one) for one in envelope.cc[:50]])),
    ]
    return "---------- Forwarded message ----------\n" + "".join(f"{name}: {value}\n" for name, value in rows if value)


def _when(at: int | None) -> str:
    """A date in English whatever the locale, in local time."""
    try:
        moment = time.localtime(at)
    except (OverflowError, ValueError, OSError):
        moment = time.gmtime(0)
    return (
        f"{_DAYS[moment.tm_wday]}, {moment.tm_mday} {_MONTHS[moment.tm_mon - 1]} {moment.tm_year}"
        f" at {moment.tm_hour:02}:{moment.tm_min:02}"
    )


def _signed(body: str, identity: Identity) -> str:
    return f"{body}\n{SIGNATURE_MARK}\n{identity.signature.strip()}\n" if identity.signature.strip() else body


def signature_block(identity: Identity) -> str:
    """What a new message begins with."""
    return _signed("\n", identity) if identity.signature.strip() else ""


def resigned(body: str, before: Identity, after: Identity) -> str:
    """A text that one identity signed, signed by another. Where it does not end with that signature it stays as it is."""
    if not before.signature.strip():
        return _signed(f"{body.rstrip()}\n" if body.strip() else "\n", after) if after.signature.strip() else body
    block = f"\n{SIGNATURE_MARK}\n{before.signature.strip()}"
    text = body.rstrip()
    return _signed(text.removesuffix(block), after) if text.endswith(block) else body


def _typed_text(raw: bytes) -> str:
    """The text part as it was typed."""
    parsed = parse_message(raw)
    if parsed.text_part is None:
        return message_text(raw)
    node = Tree(raw).find(parsed.text_part.part_path)
    if node is None:
        return ""
    text = safe_text(decode_text(node.decoded(), node.charset))
    if node.parameters.get("format", "").strip().lower() == "flowed":
        return unflow(text, delsp=node.parameters.get("delsp", "").lower() == "yes")
    return text
