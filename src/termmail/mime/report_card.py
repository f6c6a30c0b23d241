"""Reports on delivery, on reading and on complaints as cards: for whom, what happened, and the server's own words marked as its."""

from __future__ import annotations

from collections.abc import Iterator

from termmail.mime.cards import labelled, title
from termmail.mime.logical import LogicalLine, Run
from termmail.mime.reports import Complaint, DeliveryReport, DisplayReport, RecipientReport
from termmail.mime.safe_text import safe_address, safe_text
from termmail.mime.status_words import explain, guess
from termmail.model.body import Style

_RECIPIENTS_SHOWN = 50
_MAX_SAID = 1000
_HEADINGS = {
    "failed": "Not delivered to {who}",
    "delayed": "Not yet delivered to {who}",
    "delivered": "Delivered to {who}",
    "relayed": "Passed on for {who}",
    "expanded": "Delivered to {who}, which sent it on to several",
}
_DISPOSITIONS = {
    "displayed": "{who} had your message on the screen",
    "deleted": "{who} deleted your message, perhaps without reading it",
    "dispatched": "Your message to {who} was sent on or printed without being shown",
    "processed": "Your message to {who} was handled by a program",
    "denied": "{who} does not say whether your message was read",
    "failed": "What became of your message to {who} could not be reported",
}
_COMPLAINTS = {
    "abuse": "A recipient marked a message as unwanted",
    "fraud": "A message was reported as fraud",
    "virus": "A message was reported as carrying a virus",
    "not-spam": "A recipient marked a message as wanted after all",
    "opt-out": "A recipient wants no more mail of this kind",
    "opt-out-list": "A recipient wants no more mail of this list",
    "auth-failure": "A message failed the sender's authentication (SPF, DKIM or DMARC)",
    "miscategorized": "A message was sorted wrongly",
}


def delivery_lines(report: DeliveryReport) -> Iterator[LogicalLine]:
    """Each recipient: whether it was delivered, why not in words, and what the server said."""
    for number, recipient in enumerate(report.recipients[:_RECIPIENTS_SHOWN]):
        if number:
            yield LogicalLine()
        yield from _recipient(recipient, report.reporter)
    more = len(report.recipients) - _RECIPIENTS_SHOWN
    if more > 0:
        yield LogicalLine()
        yield title(f"and {more:,} more recipients", Style.NOTE)


def _recipient(recipient: RecipientReport, reporter: str) -> Iterator[LogicalLine]:
    who = safe_address(recipient.address)
    yield title(_HEADINGS.get(recipient.action, "A report about {who}").format(who=who))
    why = explain(recipient.status)
    code = f"(status {recipient.status})" if recipient.status else ""
    if not why and recipient.action in ("failed", "delayed"):
        guessed = guess(recipient.said)
        why = f"By what the server said: {guessed}" if guessed else "The server gives no reason that is known."
    if why:
        yield labelled("Why", f"{why} {code}".rstrip())
    if recipient.said:
        said = safe_text(recipient.said, one_line=True)
        cut = f"{said[:_MAX_SAID]} …" if len(said) > _MAX_SAID else said
        yield labelled("It said", f"“{cut}”", style=Style.QUOTE1)
    host = recipient.host or (reporter if recipient.said else "")
    if host:
        yield labelled("Server", safe_address(host), style=Style.NOTE)
    if recipient.written_to:
        yield labelled("You wrote", f"to {safe_address(recipient.written_to)}", style=Style.NOTE)
    if recipient.action == "delayed":
        until = f" until {recipient.retry_until}" if recipient.retry_until else ""
        yield labelled("Now", f"The server goes on trying{until}. There is nothing to do.")
    elif recipient.action == "relayed":
        yield labelled("Now", "That server sends no report of its own.")


def display_lines(report: DisplayReport) -> Iterator[LogicalLine]:
    """A read receipt, and what it does not say."""
    who = safe_address(report.recipient) or "The recipient"
    words = _DISPOSITIONS.get(report.disposition, "A report on what {who} did with your message")
    yield title("A receipt: " + words.format(who=who))
    if report.disposition == "displayed":
        yield labelled("", "That it was shown does not mean that it was read.", style=Style.NOTE)
    how = "by hand" if report.by_hand else "by a program, without anybody being asked"
    yield labelled("Sent", how)
    if report.program:
        yield labelled("Program", report.program, style=Style.NOTE)


def complaint_lines(report: Complaint) -> Iterator[LogicalLine]:
    """A feedback report on mail that went out."""
    yield title(_COMPLAINTS.get(report.kind, f"A report on a message ({report.kind or 'of no kind that is known'})"))
    for label, value in (
        ("Recipient", safe_address(report.recipient)),
        ("Sent from", safe_address(report.source)),
        ("Domain", safe_address(report.domain)),
        ("Arrived", report.arrived),
    ):
        if value:
            yield labelled(label, value)


def own_words_line() -> LogicalLine:
    """The line between a card and the text that the mail system wrote."""
    return LogicalLine(runs=(Run("What the mail system wrote", Style.NOTE),))
