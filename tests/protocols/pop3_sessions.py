"""POP3 sessions against the test servers, and sinks for their messages."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

from servers.dovecot import Dovecot
from servers.scripted import ScriptedServer
from termmail.model.account import Security, Server
from termmail.model.remote import RetrieveFault
from termmail.model.secret import Secret
from termmail.protocols import pop3

PASSWORD = "correct-horse-9"


class Bytes:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.discarded = False

    def write(self, data: bytes, /) -> None:
        self.data += data

    def discard(self) -> None:
        self.discarded = True


def message(number: int) -> bytes:
    """A small message that is easy to confuse with the protocol around it."""
    return b"Subject: number %d\r\nFrom: a@example.org\r\n\r\n.\r\n..\r\n.dot\r\n-ERR\r\n+OK\r\n%d\r\n" % (
        number,
        number,
    )


def connect_dovecot(
    server: Dovecot, user: str, security: Security = Security.NONE, *, port: int = 0, **options: object
) -> pop3.Pop3Session:
    """Sign in to a Dovecot, or at `port` to a proxy before it."""
    port = port or (server.pop3_tls_port if security is Security.TLS else server.pop3_port)
    return pop3.connect(
        Server("localhost", port, security),
        user,
        Secret(server.password(user)),
        ca_file=str(server.tls.ca),
        **options,  # type: ignore[arg-type]
    )


@contextlib.contextmanager
def session_of(
    server: Dovecot, user: str, security: Security = Security.NONE, *, disable: tuple[str, ...] = (), port: int = 0
) -> Iterator[pop3.Pop3Session]:
    """A signed-in session of this user, closed at the end without deleting anything."""
    session = connect_dovecot(server, user, security, port=port)
    session.disable(*disable)
    try:
        yield session
    finally:
        session.close()


def connect_to(server: ScriptedServer, security: Security = Security.NONE, **options: object) -> pop3.Pop3Session:
    """Sign in to a scripted server."""
    options.setdefault("timeouts", pop3.Timeouts(connect=10, command=10, quit=10))
    return pop3.connect(Server("localhost", server.port, security), "lisa", Secret(PASSWORD), **options)  # type: ignore[arg-type]


def fetch(
    session: pop3.Pop3Session, numbers: Sequence[int], sink: Callable[[], Bytes] = Bytes
) -> dict[int, bytes | RetrieveFault]:
    """What `retrieve` gives, message by message."""
    return {
        number: found if isinstance(found, RetrieveFault) else bytes(found.data)
        for number, found in session.retrieve(numbers, sink)
    }
