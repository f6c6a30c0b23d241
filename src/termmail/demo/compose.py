"""Tools to write the sample mail with: people, times relative to now, flowed text, whole messages."""

from __future__ import annotations

import datetime
import textwrap
from collections.abc import Iterable, Mapping
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

import msgspec

_WIDTH = 72
_LONG = 80
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class Person(msgspec.Struct, frozen=True):
    """A name and an address in a domain of RFC 2606 or 6761."""

    name: str
    address: str

    @property
    def domain(self) -> str:
        return self.address.partition("@")[2]


class Sample(msgspec.Struct, frozen=True):
    """One message of the demo: whose, in which mailbox, with which IMAP flags, received when, and its bytes."""

    user: str
    mailbox: str
    flags: tuple[str, ...]
    received: datetime.datetime
    raw: bytes


class Step(msgspec.Struct, frozen=True):
    """A server that took a message on its way, as its Received field has it, so many seconds after the Date."""

    sender: str
    server: str
    how: str
    seconds: int


class Clock:
    """Times relative to `now`, which has a zone."""

    def __init__(self, now: datetime.datetime) -> None:
        self.now = now.replace(microsecond=0)

    def ago(self, *, hours: int = 0, minutes: int = 0) -> datetime.datetime:
        return self.now - datetime.timedelta(hours=hours, minutes=minutes)

    def day(self, days: int, hour: int, minute: int = 0) -> datetime.datetime:
        """That many days ago at this time of the day; never later than now."""
        moment = (self.now - datetime.timedelta(days=days)).replace(hour=hour, minute=minute, second=(days * 7) % 60)
        return min(moment, self.now)


class Pen:
    """Writes messages and keeps those that are delivered, in `samples`."""

    def __init__(self, clock: Clock, user: str) -> None:
        self.clock = clock
        self.user = user
        self.samples: list[Sample] = []

    def write(
        self,
        *,
        sender: Person,
        to: Iterable[Person],
        subject: str,
        when: datetime.datetime,
        cc: Iterable[Person] = (),
        parent: EmailMessage | None = None,
        message_id: str = "",
        headers: Mapping[str, str] | None = None,
        zone_hours: int | None = None,
    ) -> EmailMessage:
        """The header of a message; `parent` is what it replies to, `zone_hours` the sender's zone east of UTC."""
        message = EmailMessage(policy=SMTP)
        date = when
        if zone_hours is not None:
            date = when.astimezone(datetime.timezone(datetime.timedelta(hours=zone_hours)))
        message["From"] = _address(sender)
        message["To"] = [_address(person) for person in to]
        if others := [_address(person) for person in cc]:
            message["Cc"] = others
        message["Subject"] = subject
        message["Date"] = format_datetime(date)
        name = message_id or f"{when:%Y%m%d%H%M%S}.{len(self.samples) + 1:03d}"
        message["Message-ID"] = f"<{name}@{sender.domain}>"
        if parent is not None:
            before = str(parent["References"] or "").split()
            message["In-Reply-To"] = str(parent["Message-ID"])
            message["References"] = " ".join([*before, str(parent["Message-ID"])])
        for field, value in (headers or {}).items():
            message[field] = value
        return message

    def deliver(
        self,
        message: EmailMessage,
        mailbox: str = "INBOX",
        *flags: str,
        relay: str = "",
        verdict: str = "pass",
        route: Iterable[Step] = (),
        seconds: int = 2,
    ) -> EmailMessage:
        """File it; what comes from outside gets the fields that a server adds. Returns it, to be replied to.

        `relay` hands it to Lisa's provider, `seconds` after its Date; `route` are the steps before that, in order.
        """
        date = message["Date"].datetime
        raw = message.as_bytes()
        if relay:
            domain = str(message["From"].addresses[0].domain)
            local = date.astimezone(self.clock.now.tzinfo)
            earlier = b"".join(_received(step, local) for step in reversed(tuple(route)))
            raw = _trace(relay, domain, verdict, self.user, local, seconds) + earlier + raw
        self.samples.append(Sample(self.user, mailbox, flags, date, raw))
        return message


def attribution(message: EmailMessage) -> str:
    """The line above a quotation of this message."""
    date: datetime.datetime = message["Date"].datetime
    day = f"{_DAYS[date.weekday()]}, {date.day} {_MONTHS[date.month - 1]} {date.year} at {date:%H:%M}"
    return f"On {day}, {message['From'].addresses[0].display_name} wrote:"


def flowed(text: str) -> str:
    """Paragraphs to format=flowed (RFC 3676); quotation marks and indented lines are kept, "--" is the signature's line.

    A line of more than 80 characters goes on in the next one, so that a long paragraph can be written in several.
    """
    lines: list[str] = []
    for depth, body in _paragraphs(textwrap.dedent(text).strip("\n").split("\n")):
        prefix = ">" * depth + (" " if depth else "")
        if body == "--":
            lines.append(f"{prefix}-- ")
            continue
        if not body.strip() or body.startswith(" "):
            lines.append(prefix + (" " if body.startswith(" ") and not depth else "") + body)
            continue
        wrapped = textwrap.wrap(body, _WIDTH - len(prefix), break_long_words=False, break_on_hyphens=False)
        for number, piece in enumerate(wrapped, 1):
            stuffed = f" {piece}" if not depth and piece.startswith((" ", ">", "From ")) else piece
            lines.append(prefix + stuffed + (" " if number < len(wrapped) else ""))
    return "\n".join(lines) + "\n"


def _paragraphs(lines: list[str]) -> list[tuple[int, str]]:
    """Depth of quotation and text of each paragraph."""
    result: list[tuple[int, str]] = []
    goes_on = False
    for line in lines:
        body = line.lstrip(">")
        depth = len(line) - len(body)
        body = body.removeprefix(" ") if depth else body
        if goes_on and result[-1][0] == depth and body.strip():
            result[-1] = (depth, f"{result[-1][1]} {body}")
        else:
            result.append((depth, body))
        goes_on = len(line) > _LONG
    return result


def say(message: EmailMessage, text: str, *, charset: str = "utf-8", flow: bool = True) -> EmailMessage:
    """Give it this text, flowed by default."""
    if flow:
        message.set_content(flowed(text), charset=charset, cte=_encoding(text, charset), params={"format": "flowed"})
    else:
        plain = textwrap.dedent(text).strip("\n") + "\n"
        message.set_content(plain, charset=charset, cte=_encoding(plain, charset))
    return message


def _encoding(text: str, charset: str) -> str:
    if charset == "iso-2022-jp" or text.isascii():
        return "7bit"
    return "quoted-printable" if sum(ord(character) > 127 for character in text) * 6 < len(text) else "base64"


def _address(person: Person) -> Address:
    return Address(person.name, addr_spec=person.address)


def _received(step: Step, date: datetime.datetime) -> bytes:
    moment = format_datetime(date + datetime.timedelta(seconds=step.seconds))
    return f"Received: from {step.sender}\r\n\tby {step.server} with {step.how}; {moment}\r\n".encode("ascii")


def _trace(relay: str, domain: str, verdict: str, user: str, date: datetime.datetime, seconds: int) -> bytes:
    lines = [
        f"Return-Path: <bounces@{domain}>",
        f"Received: from {relay} ({relay} [192.0.2.{len(relay) + 10}])",
        "\tby mx.demo.example with ESMTPS (TLS1.3)",
        f"\tfor <{user}>; {format_datetime(date + datetime.timedelta(seconds=seconds))}",
        f"Authentication-Results: mx.demo.example; spf={verdict} smtp.mailfrom={domain};",
        f"\tdkim={verdict if verdict == 'pass' else 'none'} header.d={domain}; dmarc={verdict} header.from={domain}",
    ]
    return "".join(line + "\r\n" for line in lines).encode("ascii")
