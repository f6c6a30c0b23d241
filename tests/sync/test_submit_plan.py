"""Who files the copy of a sent mail, and when a refused one is tried again (O5, O10)."""

from __future__ import annotations

import msgspec
import pytest

from filled_store import account
from termmail.model.account import Protocol, Security, SentCopy, Server
from termmail.sync.submit_plan import after_loss, after_unreachable, files_copy, temporary_refusal


@pytest.mark.parametrize(
    ("host", "copy", "protocol", "expected"),
    [
        ("smtp.example.org", SentCopy.AUTO, Protocol.IMAP, True),
        ("smtp.gmail.com", SentCopy.AUTO, Protocol.IMAP, False),
        ("SMTP.Gmail.com.", SentCopy.AUTO, Protocol.IMAP, False),
        ("smtp.googlemail.com", SentCopy.AUTO, Protocol.IMAP, False),
        ("smtp.office365.com", SentCopy.AUTO, Protocol.IMAP, False),
        ("smtp-mail.outlook.com", SentCopy.AUTO, Protocol.IMAP, False),
        ("smtp.gmail.com.example.org", SentCopy.AUTO, Protocol.IMAP, True),
        ("notsmtp.gmail.com", SentCopy.AUTO, Protocol.IMAP, True),
        ("smtp.gmail.com", SentCopy.TERMMAIL, Protocol.IMAP, True),
        ("smtp.example.org", SentCopy.SERVER, Protocol.IMAP, False),
        ("smtp.gmail.com", SentCopy.AUTO, Protocol.POP3, True),
    ],
)
def test_who_files_the_copy(host: str, copy: SentCopy, protocol: Protocol, expected: bool) -> None:
    """O10."""
    of = msgspec.structs.replace(account(), smtp=Server(host, 465, Security.TLS), sent_copy=copy, protocol=protocol)
    assert files_copy(of) is expected


def test_pauses_are_bounded_whatever_the_count() -> None:
    for attempts in (0, 1, 5, 1000):
        assert 60 <= temporary_refusal(attempts, {450}, "") <= 3600
        assert 300 <= temporary_refusal(attempts, {451}, "") <= 3600
        assert 300 <= temporary_refusal(attempts, {450}, "you are greylisted") <= 3600
        assert 5 <= after_loss(attempts) <= 3600
        assert 3 <= after_unreachable(attempts) <= 300
