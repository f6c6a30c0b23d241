"""Reports on failed delivery in the ways of their own that mail systems have beside RFC 3464: qmail, Exim, sendmail and many more."""

from __future__ import annotations

import re
from collections.abc import Iterable

from termmail.mime.addresses import parse_addresses
from termmail.mime.headers import decode_header, header_fields, parse_envelope
from termmail.mime.reports import DeliveryReport, RecipientReport
from termmail.mime.status_words import find_status

_MAX_LINES = 400
_MAX_RECIPIENTS = 50
_REASON_LINES = 8
_MAX_REASON = 600

_SYSTEM_NAMES = re.compile(
    r"(?:mailer-?daemon|mail-?daemon|postmaster|double-?bounce|mail.?delivery|mailadmin|system.?administrator|bounces?)\b",
    re.IGNORECASE,
)
_SUBJECTS = re.compile(
    r"undeliver|non.?deliver|not (?:be )?delivered|returned? (?:mail|to sender)|returning|bounce|rejected|unzustellbar"
    r"|delivery (?:status|failure|failed|report|problem|error|notification|has failed|incomplete|delayed)"
    r"|fail(?:ed|ure) (?:notice|delivery|to deliver)|(?:mail|message) (?:delivery )?(?:failure|failed|error|delayed|status)"
    r"|mail (?:system )?error|could not be (?:sent|delivered)|warning: (?:message|could not)"
    r"|unknown (?:user|recipient|address)|user unknown",
    re.IGNORECASE,
)
_ADDRESS = r"<?([^\s<>()\[\]:;,\"']{1,64}@[\w.-]{1,200}\w)>?"
# An address at the beginning of a line, alone or before what was said about it.
_ADDRESSED = re.compile(
    r"\s*(?:(?:>>>|[*>•-])\s*)?"
    r"(?:(?:to|for|recipient|user|final-recipient|original-recipient|address)\s*:?\s*(?:rfc822\s*;\s*)?)?[\"']?"
    + _ADDRESS
    + r"[\"']?[.,]?(?P<rest>\s*(?:$|[:(\[<,;–-].*|\.{3}.*|(?:host|failed|user|unknown|delivery|error|reason|said|the|was|is|could"
    r"|has|no|mailbox|unrouteable|relay|recipient|5\d\d|4\d\d)\b.*))",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    r"(?:RCPT TO|recipient(?: address)?|addressed to|deliver(?:y|ed|ing)?\b.{0,40}\bto|(?:message|mail) to|allowed size)\s*:?\s*"
    + _ADDRESS,
    re.IGNORECASE,
)
_NO_REASON = re.compile(
    r"(?:subject|sent|to|from|action|content-[\w-]+|final-recipient|original-recipient)\s*:|\W*$"
    r"|.{0,60}\b(?:because|reason|details|was|are)\s*:\W*$",
    re.IGNORECASE,
)
_COPY_BELOW = re.compile(
    r"-{2,}.{0,60}(?:below this line|copy of the (?:message|original)|(?:original|returned|unsent|bounced) (?:message|mail)"
    r"|forwarded message|this is a copy|message header|headers of the)|the following (?:is|was) (?:a copy|the original)"
    r"|(?:here is|below is) (?:a copy|the original)|your message (?:headers?|follows)|included is a copy|original message follows"
    r"|message headers follow|\|-{5,}",
    re.IGNORECASE,
)
_HEADER_LINE = re.compile(r"(?:received|return-path|message-id):\s", re.IGNORECASE)
_REPLY = re.compile(r"(?:^|[\s(:<>\"'])(?:[45]\d\d[ -]|[45]\.\d{1,3}\.\d{1,3}\b)")
_HOST = re.compile(
    r"\bhost\s+([\w.-]{3,200}\.\w{2,24})|remote host\s+([\w.-]{3,200}\.\w{2,24})|<<<\s*from\s+([\w.-]{3,200})",
    re.IGNORECASE,
)
_DELAYED = re.compile(
    r"\bdelay(?:ed)?\b|will (?:be retried|keep trying|continue|try again|retry)|still (?:being|trying)|warning message only"
    r"|not yet (?:been )?delivered|do(?:es)? not need to resend",
    re.IGNORECASE,
)


def is_bounce(header: bytes) -> bool:
    """Whether a message seems to come from a mail system that could not deliver another one, by its header."""
    names = {name.lower(): value for name, value in header_fields(header)}
    if "x-failed-recipients" in names:
        return True
    envelope = parse_envelope(header)
    if not _SUBJECTS.search(envelope.subject):
        return False
    senders = decode_header(names.get("from", b""))
    from_system = _SYSTEM_NAMES.match(senders.lstrip(" <\"'")) is not None or any(
        _SYSTEM_NAMES.match(one.address) or _SYSTEM_NAMES.search(one.name) for one in envelope.from_
    )
    return from_system or names.get("return-path", b"").strip() == b"<>"


def read_bounce(header: bytes, text: str) -> DeliveryReport | None:
    """What the text of such a message says by recipient, as far as it can be told; None where it names nobody. Never raises."""
    lines = _own_words(text)
    reports = {report.address.casefold(): report for report in _by_recipient(lines)}
    for address in _named_in_header(header):
        reports.setdefault(address.casefold(), RecipientReport(address, ""))
    if not reports:
        return None
    subject = parse_envelope(header).subject
    delayed = bool(_DELAYED.search(subject)) or (
        "warning" in subject.lower() and any(_DELAYED.search(one) for one in lines)
    )
    # What the server said stands elsewhere in some, for all recipients.
    general = _reason(line for line in lines if _REPLY.search(line))
    finished: list[RecipientReport] = []
    for report in list(reports.values())[:_MAX_RECIPIENTS]:
        said = report.said or general
        status = find_status(said)
        action = "delayed" if delayed else "failed"
        finished.append(RecipientReport(report.address, action, status, said, _host(said)))
    return DeliveryReport("", tuple(finished))


def _own_words(text: str) -> list[str]:
    """The lines before the copy of the message that came back."""
    lines: list[str] = []
    for line in text.replace("\r", "").split("\n")[:_MAX_LINES]:
        if (_COPY_BELOW.match(line.strip()) or _HEADER_LINE.match(line)) and any(one.strip() for one in lines):
            break
        lines.append(line[:1000])
    return lines


def _by_recipient(lines: list[str]) -> Iterable[RecipientReport]:
    for number, line in enumerate(lines):
        match = _ADDRESSED.match(line)
        if match is not None:
            rest = match["rest"].strip(" :,;.–-")
            said = _reason([rest, *_following(lines, number + 1)])
            yield RecipientReport(match[1], "", said=said)
        elif (about := _ABOUT.search(line)) is not None:
            said = _reason([line] if _REPLY.search(line) else _following(lines, number + 1))
            yield RecipientReport(about[1], "", said=said)


def _following(lines: list[str], start: int) -> list[str]:
    """What is said below an address: up to an empty line after some words, or the next address."""
    found: list[str] = []
    for line in lines[start : start + _REASON_LINES + 1]:
        if _ADDRESSED.match(line) or (not line.strip() and found) or line.strip().startswith("---"):
            break
        if not _NO_REASON.match(line.strip()):
            found.append(line)
    return found


def _reason(lines: Iterable[str]) -> str:
    words = " ".join(" ".join(line.split()) for line in lines)
    return words.strip(" \"'")[:_MAX_REASON]


def _host(said: str) -> str:
    match = _HOST.search(said)
    return next((one for one in match.groups() if one), "") if match is not None else ""


def _named_in_header(header: bytes) -> list[str]:
    return [
        one.address
        for name, value in header_fields(header)
        if name.lower() in ("x-failed-recipients", "x-failed-recipient", "x-actual-recipient")
        for one in parse_addresses(decode_header(value))
        if "@" in one.address
    ]
