"""The demo's POP3 service, by the standard library's client."""

from __future__ import annotations

import contextlib
import poplib
import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest

from termmail.demo.mail import USERS
from termmail.demo.run import DemoProvider

LISA, BOB = USERS


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[DemoProvider]:
    with DemoProvider(tmp_path) as running:
        yield running


@contextlib.contextmanager
def maildrop(provider: DemoProvider) -> Iterator[poplib.POP3]:
    with contextlib.closing(poplib.POP3(provider.host, provider.pop3_port, timeout=20)) as client:
        client.user(BOB)
        client.pass_(provider.password(BOB).reveal())
        yield client
        client.quit()


def test_bobs_mail_comes_and_goes(provider: DemoProvider) -> None:
    with maildrop(provider) as client:
        count, size = client.stat()
        assert count > 2
        uidls = {line.split()[1] for line in client.uidl()[1]}
        assert len(uidls) == count
        messages = [b"\r\n".join(client.retr(number)[1]) for number in range(1, count + 1)]
        assert sum(len(message) + 2 for message in messages) == size
        assert all(b"Message-ID" in b"\r\n".join(client.top(number, 0)[1]) for number in range(1, count + 1))
        client.dele(1)
    with maildrop(provider) as client:
        assert client.stat()[0] == count - 1
        client.dele(1)
        client.rset()
        assert client.stat()[0] == count - 1
    with smtplib.SMTP(provider.host, provider.smtp_port, local_hostname="[127.0.0.1]", timeout=20) as submission:
        submission.login(LISA, provider.password(LISA).reveal())
        submission.sendmail(LISA, [BOB], b"Subject: dots\r\n\r\n..\r\n.x\r\n")
    with maildrop(provider) as client:
        assert client.stat()[0] == count
        lines = client.retr(count)[1]
        assert lines[lines.index(b"") + 1 :] == [b"..", b".x"]


def test_one_session_at_a_time(provider: DemoProvider) -> None:
    with maildrop(provider), pytest.raises(poplib.error_proto, match="IN-USE"), maildrop(provider):
        pass


def test_refusals(provider: DemoProvider) -> None:
    client = poplib.POP3(provider.host, provider.pop3_port, timeout=20)
    client.user(BOB)
    with pytest.raises(poplib.error_proto, match="AUTH"):
        client.pass_("wrong")
    with pytest.raises(poplib.error_proto):
        client.stat()
    client.quit()
    with maildrop(provider) as client:
        with pytest.raises(poplib.error_proto):
            client.retr(9999)
        with pytest.raises(poplib.error_proto):
            client.dele(0)
