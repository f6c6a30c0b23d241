"""What mail systems report about a message: delivered or not (RFC 3464), displayed (RFC 8098), complained about (RFC 5965)."""

from __future__ import annotations

import re
from typing import NamedTuple

from termmail.mime.headers import decode_header, header_fields
from termmail.mime.status_words import find_status

MAX_RECIPIENTS = 1000

DELIVERY_TYPES = ("message/delivery-status", "message/global-delivery-status")
_BLANK = re.compile(rb"\r?\n[ \t]*\r?\n(?:[ \t]*\r?\n)*")
_TYPED = re.compile(r"^\s*[\w.+-]{1,40}\s*;\s*", re.ASCII)
_ACTION_OF_CLASS = {"2": "delivered", "4": "delayed", "5": "failed"}
_ACTIONS = ("failed", "delayed", "delivered", "relayed", "expanded")


class RecipientReport(NamedTuple):
    """What became of a message for one recipient. `action` is one of RFC 3464 §2.3.3 ("failed", "delayed") or empty.

    `status` is an enhanced code ("5.1.1") or a plain one ("550"), `said` the words of the server at `host`, `retry_until` the date
    as the report has it. All are decoded and not yet safe.
    """

    address: str
    action: str
    status: str = ""
    said: str = ""
    host: str = ""
    retry_until: str = ""
    written_to: str = ""


class DeliveryReport(NamedTuple):
    """A report of the server `reporter`, by recipient."""

    reporter: str
    recipients: tuple[RecipientReport, ...]


class DisplayReport(NamedTuple):
    """A read receipt: what was done with the message (displayed, deleted, …), by hand or not, at whose mailbox."""

    recipient: str
    disposition: str
    by_hand: bool
    program: str


class Complaint(NamedTuple):
    """A feedback report: of which kind ("abuse"), and what it is about."""

    kind: str
    recipient: str
    source: str
    domain: str
    arrived: str


def read_delivery_report(data: bytes) -> DeliveryReport:
    """The decoded body of a message/delivery-status. Never raises."""
    groups = [_fields(block) for block in _BLANK.split(data.strip(b"\r\n \t")) if block.strip()]
    reporter = _untyped(groups[0].get("reporting-mta", "")) if groups else ""
    recipients: list[RecipientReport] = []
    for fields in groups[:MAX_RECIPIENTS]:
        address = _address(fields.get("final-recipient", ""))
        original = _address(fields.get("original-recipient", ""))
        if not address and not original:
            continue
        said = _untyped(fields.get("diagnostic-code", ""))
        status = find_status(fields.get("status", ""))
        better = find_status(said)
        if not status or (status.endswith(".0.0") and better.startswith(status[0]) and "." in better):
            status = better or status
        words = fields.get("action", "").lower().split()
        action = words[0].strip(";,.") if words else ""
        recipients.append(
            RecipientReport(
                address or original,
                action if action in _ACTIONS else _ACTION_OF_CLASS.get(status[:1], ""),
                status,
                said,
                _untyped(fields.get("remote-mta", "")),
                fields.get("will-retry-until", ""),
                original if original.casefold() != address.casefold() else "",
            )
        )
    return DeliveryReport(reporter, tuple(recipients))


def read_display_report(data: bytes) -> DisplayReport:
    """The decoded body of a message/disposition-notification. Never raises."""
    fields = _fields(data)
    mode, _, kind = fields.get("disposition", "").partition(";")
    return DisplayReport(
        _address(fields.get("final-recipient", "") or fields.get("original-recipient", "")),
        kind.strip().partition("/")[0].lower() if kind else mode.strip().rpartition("/")[2].lower(),
        "manual-action" in mode.lower(),
        fields.get("reporting-ua", ""),
    )


def read_complaint(data: bytes) -> Complaint:
    """The decoded body of a message/feedback-report. Never raises."""
    fields = _fields(data)
    return Complaint(
        fields.get("feedback-type", "").strip().lower(),
        _address(fields.get("original-rcpt-to", "")),
        fields.get("source-ip", ""),
        fields.get("reported-domain", ""),
        fields.get("arrival-date", "") or fields.get("received-date", ""),
    )


def _fields(block: bytes) -> dict[str, str]:
    """The first value of each field, decoded and unfolded, by lower case name."""
    found: dict[str, str] = {}
    for name, value in header_fields(block.strip(b"\r\n") + b"\r\n\r\n"):
        if name:
            found.setdefault(name.lower(), " ".join(decode_header(value).split()))
    return found


def _untyped(value: str) -> str:
    """Without the type before it: "smtp; 550 …", "dns; mx.example.org"."""
    return _TYPED.sub("", value).strip()


def _address(value: str) -> str:
    return _untyped(value).strip("<>\"' ")
