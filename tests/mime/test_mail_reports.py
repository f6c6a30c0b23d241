"""Bounces, read receipts and complaints in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mime_safety import assert_safe
from termmail.mime.bounce_text import is_bounce, read_bounce
from termmail.mime.part_view import view_part
from termmail.mime.render import render_message
from termmail.mime.reports import read_complaint, read_delivery_report, read_display_report
from termmail.mime.status_words import explain, find_status, guess

ORIGINAL = (
    b"From: Lisa <lisa@example.org>\r\nTo: ole@nordholm.example\r\nSubject: The crane\r\n\r\nWednesday at ten?\r\n"
)


def report(
    status: bytes,
    returned: bytes = b"",
    text: bytes = b"I am sorry to have to tell you.",
    kind: bytes = b"delivery-status",
) -> bytes:
    parts = [
        b"Content-Type: text/plain\r\n\r\n" + text,
        b"Content-Type: message/" + kind + b"\r\n\r\n" + status,
        *([b"Content-Type: message/rfc822\r\n\r\n" + returned] if returned else []),
    ]
    return (
        b"From: Mail Delivery System <mailer-daemon@example.org>\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/report; report-type="
        + kind
        + b'; boundary="b"\r\n\r\n'
        + b"".join(b"--b\r\n" + part + b"\r\n" for part in parts)
        + b"--b--\r\n"
    )


STATUS = (
    b"Reporting-MTA: dns; mx.example.org\r\n\r\n"
    b"Original-Recipient: rfc822;crane@nordholm.example\r\nFinal-Recipient: rfc822; ole@nordholm.example\r\nAction: failed\r\n"
    b"Status: 5.1.1\r\nRemote-MTA: dns; mx.nordholm.example\r\n"
    b"Diagnostic-Code: smtp; 550 5.1.1 <ole@nordholm.example>:\r\n Recipient address rejected: gone\x1b[31m fishing\r\n\r\n"
    b"Final-Recipient: rfc822; bo@nordholm.example\r\nAction: delayed\r\nStatus: 4.4.1\r\n"
    b"Will-Retry-Until: Fri, 27 Nov 2026 10:00:00 +0100\r\n"
)


def lines_of(raw: bytes) -> list[str]:
    rendered = render_message(raw, width=110)
    assert_safe(rendered)
    return [line.text.rstrip() for line in rendered.lines]


def test_a_bounce_in_words() -> None:
    """Which recipient, why in words, the server's own words quoted, what is still being tried, and what came back."""
    raw = report(STATUS, ORIGINAL)
    assert lines_of(raw) == [
        "Not delivered to ole@nordholm.example",
        "Why       There is no such mailbox. (status 5.1.1)",
        "It said   “550 5.1.1 <ole@nordholm.example>: Recipient address rejected: gone fishing”",
        "Server    mx.nordholm.example",
        "You wrote to crane@nordholm.example",
        "",
        "Not yet delivered to bo@nordholm.example",
        "Why       The recipient's server did not answer. (status 4.4.1)",
        "Now       The server goes on trying until Fri, 27 Nov 2026 10:00:00 +0100. There is nothing to do.",
        "",
        "What the mail system wrote",
        "",
        "I am sorry to have to tell you.",
        "",
        "The message that came back",
        "From: Lisa <lisa@example.org>",
        "To: ole@nordholm.example",
        "Subject: The crane",
    ]


def test_the_original_is_one_part_away() -> None:
    """The message that came back, whole or as its headers only, is named and can be viewed."""
    raw = report(STATUS, ORIGINAL)
    enclosed = render_message(raw, width=80).enclosed
    assert enclosed == "3"
    assert "Wednesday at ten?" in [line.text for line in view_part(raw, enclosed, width=80).lines]
    only_headers = report(STATUS).replace(
        b"--b--", b"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nSubject: The crane\r\nX-Own: yes\r\n\r\n--b--"
    )
    rendered = render_message(only_headers, width=80)
    assert rendered.enclosed == "3"
    assert "Subject: The crane" in [line.text for line in rendered.lines]
    assert "X-Own: yes" in [line.text for line in view_part(only_headers, "3", width=80).lines]


@pytest.mark.parametrize(
    ("action", "heading"),
    [
        (b"delivered", "Delivered to a@b.example"),
        (b"relayed", "Passed on for a@b.example"),
        (b"expanded", "Delivered to a@b.example, which sent it on to several"),
        (b"Failed (really)", "Not delivered to a@b.example"),
    ],
)
def test_what_else_a_report_can_say(action: bytes, heading: str) -> None:
    """RFC 3464 §2.3.3."""
    status = (
        b"Reporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; a@b.example\r\nAction: "
        + action
        + b"\r\nStatus: 2.0.0\r\n"
    )
    assert lines_of(report(status))[0] == heading


def test_a_report_without_a_status_goes_by_what_the_server_said() -> None:
    """The words of a server whose code says nothing are read, and told as that."""
    status = (
        b"Final-Recipient: rfc822; a@b.example\r\nAction: failed\r\nStatus: 5.0.0\r\n"
        b"Diagnostic-Code: smtp; 550 Unknown user a\r\n"
    )
    assert lines_of(report(status))[1] == "Why       By what the server said: There is no such mailbox. (status 5.0.0)"


QMAIL = (
    b"Return-Path: <>\r\nFrom: MAILER-DAEMON@example.jp\r\nSubject: failure notice\r\n\r\n"
    b"Hi. This is the qmail-send program at example.jp.\r\n"
    b"I'm afraid I wasn't able to deliver your message to the following addresses.\r\n\r\n"
    b"<one@example.com>:\r\n192.0.2.1 does not like recipient.\r\nRemote host said: 550 5.2.2 mailbox full\r\n\r\n"
    b"<two@example.com>:\r\nSorry, I couldn't find any host by that name. (#5.1.2)\r\n\r\n"
    b"--- Below this line is a copy of the message.\r\n\r\nTo: three@example.com\r\n\r\nfour@example.com: hello\r\n"
)
EXIM = (
    b"X-Failed-Recipients: one@example.com\r\nFrom: Mail Delivery System <Mailer-Daemon@example.org>\r\n"
    b"Subject: Mail delivery failed: returning message to sender\r\n\r\n"
    b"A message that you sent could not be delivered to one or more of its\r\nrecipients. The following address(es) failed:\r\n\r\n"
    b"  one@example.com\r\n    host mx.example.com [192.0.2.1]\r\n"
    b"    SMTP error from remote mail server after RCPT TO:<one@example.com>:\r\n"
    b"    552 5.2.2 over quota\r\n\r\n"
    b"------ This is a copy of the message, including all the headers. ------\r\n\r\nTo: x@example.net\r\n"
)
SENDMAIL = (
    b"From: Mail Delivery Subsystem <MAILER-DAEMON@example.org>\r\nSubject: Returned mail: see transcript for details\r\n\r\n"
    b"   ----- The following addresses had permanent fatal errors -----\r\n<one@example.com>\r\n"
    b"    (reason: 550 5.1.1 User unknown)\r\n\r\n"
    b"   ----- Transcript of session follows -----\r\n>>> DATA\r\n"
)
DRAGONFLY = (
    b"From: MAILER-DAEMON <>\r\nSubject: Mail delivery failed\r\n\r\n"
    b"There was an error delivering your mail to <one@example.com>.\r\n\r\nmx.example.com [192.0.2.1] did not like our RCPT TO:\r\n"
    b"550 5.1.1 no such user\r\n\r\nMessage headers follow.\r\n\r\nReceived: from root\r\n"
)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (QMAIL, [("one@example.com", "5.2.2"), ("two@example.com", "5.1.2")]),
        (EXIM, [("one@example.com", "5.2.2")]),
        (SENDMAIL, [("one@example.com", "5.1.1")]),
        (DRAGONFLY, [("one@example.com", "5.1.1")]),
    ],
)
def test_mail_systems_with_words_of_their_own(raw: bytes, expected: list[tuple[str, str]]) -> None:
    """Each recipient with its status, and none of the copy that came back."""
    header, _, text = raw.partition(b"\r\n\r\n")
    assert is_bounce(header + b"\r\n\r\n")
    found = read_bounce(header + b"\r\n\r\n", text.decode())
    assert found is not None
    assert [(one.address, one.status) for one in found.recipients] == expected
    assert {one.action for one in found.recipients} == {"failed"}
    assert lines_of(raw)[0] == f"Not delivered to {expected[0][0]}"


def test_what_waits_is_not_said_to_have_failed() -> None:
    """A warning that the server goes on trying."""
    raw = (
        b"From: mailer-daemon@example.org\r\nSubject: Warning: message delayed\r\n\r\n"
        b"This is a warning message only. You do not need to"
        b" resend.\r\n\r\n"
        b"<one@example.com>: connection timed out\r\n"
    )
    assert lines_of(raw)[0] == "Not yet delivered to one@example.com"


@pytest.mark.parametrize(
    "header",
    [
        b"From: Bob <bob@example.org>\r\nSubject: Re: Mail delivery failed\r\n\r\n",
        b"From: Bob <bob@example.org>\r\nSubject: returned mail\r\n\r\n",
        b"From: postmaster@example.org\r\nSubject: Lunch on the pier\r\n\r\n",
    ],
)
def test_what_only_sounds_like_a_bounce(header: bytes) -> None:
    """People write about bounces too."""
    assert not is_bounce(header)


def test_a_read_receipt() -> None:
    """RFC 8098: what was done, and what that does not mean."""
    status = (
        b"Reporting-UA: mail.example; Kiosk 1\r\nFinal-Recipient: rfc822;bob@example.org\r\n"
        b"Disposition: manual-action/MDN-sent-manually; displayed\r\n"
    )
    assert lines_of(report(status, kind=b"disposition-notification"))[:3] == [
        "A receipt: bob@example.org had your message on the screen",
        "          That it was shown does not mean that it was read.",
        "Sent      by hand",
    ]
    assert (
        read_display_report(b"Disposition: automatic-action/MDN-sent-automatically; deleted/error\r\n").disposition
        == "deleted"
    )


def test_a_complaint() -> None:
    """RFC 5965."""
    status = b"Feedback-Type: abuse\r\nUser-Agent: x/1\r\nVersion: 1\r\nOriginal-Rcpt-To: <bob@example.org>\r\nSource-IP: 192.0.2.1\r\n"
    assert lines_of(report(status, kind=b"feedback-report"))[:3] == [
        "A recipient marked a message as unwanted",
        "Recipient bob@example.org",
        "Sent from 192.0.2.1",
    ]


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("550 5.1.1 no", "5.1.1"),
        ("550-no", "550"),
        ("192.0.2.550 x", ""),
        ("#4.4.1)", "4.4.1"),
        ("port 2525 5.10", ""),
        ("", ""),
    ],
)
def test_status_in_words_of_a_server(said: str, status: str) -> None:
    """RFC 3463."""
    assert find_status(said) == status


def test_every_known_status_has_a_sentence() -> None:
    """RFC 3463, RFC 5321."""
    assert explain("5.1.1") == explain("5.1.001") == "There is no such mailbox."
    assert explain("4.2.99") == "There is something wrong with the mailbox."
    assert explain("5.0.0") == explain("nonsense") == ""
    assert explain("550").endswith("no such mailbox.")
    assert guess("Sorry, your mailbox quota is exceeded") == "The mailbox is full."
    assert guess("hello") == ""


@given(st.binary(max_size=400))
def test_any_report(data: bytes) -> None:
    """P15, D1: whatever the bytes are."""
    for read in (read_delivery_report, read_display_report, read_complaint):
        read(data)
    for kind in (b"delivery-status", b"disposition-notification", b"feedback-report"):
        assert_safe(render_message(report(data, kind=kind), width=60))


@given(st.text(max_size=400))
def test_any_text_of_a_bounce(text: str) -> None:
    """P15, D1."""
    read_bounce(b"From: mailer-daemon@x.example\r\nSubject: failure notice\r\n\r\n", text)
    raw = b"From: mailer-daemon@x.example\r\nSubject: failure notice\r\n\r\n" + text.encode("utf-8", "surrogatepass")
    assert_safe(render_message(raw, width=60))
