"""Sessions against the test servers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from servers.dovecot import Dovecot
from termmail.model.account import Security, Server
from termmail.model.remote import UidRange
from termmail.model.secret import Secret
from termmail.protocols import imap

ALL = [UidRange(1, 2**32 - 1)]


def message(number: int) -> bytes:
    """A small message that is easy to confuse with the protocol around it."""
    return b"Subject: number %d\r\nFrom: a@example.org\r\nX-Not-Asked: 1\r\n\r\nLine\r\n)\r\n* 1 FETCH\r\n%d\r\n" % (
        number,
        number,
    )


@contextlib.contextmanager
def session_of(
    server: Dovecot, user: str, security: Security = Security.NONE, *, disable: tuple[str, ...] = ()
) -> Iterator[imap.ImapSession]:
    """A signed-in session of this user, closed at the end."""
    port = server.tls_port if security is Security.TLS else server.port
    session = imap.connect(
        Server("localhost", port, security), user, Secret(server.password(user)), ca_file=str(server.tls.ca)
    )
    session.disable(*disable)
    try:
        yield session
    finally:
        session.close()
