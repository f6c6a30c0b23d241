"""One signed-in POP3 connection as the sync uses it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

from termmail.model.errors import Scope, ServerRefused
from termmail.model.remote import MaildropListing, RetrieveFault
from termmail.protocols.pop3 import listing, retrieving
from termmail.protocols.pop3.core import Core
from termmail.protocols.pop3.retrieving import SinkT


class Pop3Session:
    """A session belongs to one thread at a time, but for `abort`. The server locks the maildrop until it ends.

    Any method but `quit` and `close` may raise ConnectionLost, ProtocolViolation (both end the session), and Cancelled (after
    `abort`). Messages are named by their number in this session's `listing`.
    """

    def __init__(self, core: Core) -> None:
        self.core = core

    @property
    def capabilities(self) -> frozenset[str]:
        """In capitals, as CAPA told, less those disabled; all of them only after the first `listing`."""
        return frozenset(self.core.capabilities)

    @property
    def host(self) -> str:
        return self.core.host

    @property
    def plain(self) -> bool:
        """Whether the connection is not encrypted."""
        return self.core.plain

    @property
    def closed(self) -> bool:
        """Whether the connection is gone, so that a new session is needed."""
        return self.core.wire.closed

    @property
    def login_delay(self) -> int:
        """Seconds that the server wants between two sign-ins (LOGIN-DELAY of RFC 2449); 0 where it does not say."""
        return self.core.login_delay

    def has(self, name: str) -> bool:
        """Whether the server offers this, such as "PIPELINING", and it was not disabled."""
        return self.core.has(name.upper())

    def disable(self, *capabilities: str) -> None:
        """Pretend that the server does not offer these."""
        self.core.hide(*capabilities)

    # Reading

    def listing(self) -> MaildropListing:
        """All messages with UIDL and size, from UIDL and LIST, sent together where the server takes that.

        What can't be read is told for each entry. A server that does not know UIDL gives a listing without (`has_uidls`).
        Raises ServerRefused where the listing is refused, for the moment or at all: never an empty one instead.
        """
        self.core.refuse_while_streaming()
        return listing.read_listing(self.core)

    def top(self, number: int, lines: int) -> bytes:
        """The header of a message and so many lines of its body (TOP), 1 MiB at most. Raises ServerRefused with scope MESSAGE."""
        ((_, found),) = self.tops([number], lines)
        if isinstance(found, RetrieveFault):
            raise ServerRefused(found.sentence, code=found.code, scope=Scope.MESSAGE)
        return found

    def tops(self, numbers: Sequence[int], lines: int) -> Generator[tuple[int, bytes | RetrieveFault], None, None]:
        """`top` of many messages in one go, one by one in this order; a refusal is a fault of that message."""
        return retrieving.tops(self.core, numbers, lines)

    def retrieve(
        self, numbers: Sequence[int], open_sink: Callable[[], SinkT]
    ) -> Generator[tuple[int, SinkT | RetrieveFault], None, None]:
        """Whole messages (RETR), one by one in this order, each written to a sink of its own.

        A sink gets the message's bytes in pieces while they arrive, as the server sent them with CRLF at line ends, without the dots
        it put before lines. It is given back when the message is whole; compare what came with the listing's size. It is told to
        `discard` where the message does not come to its end, be it for an error of the sink's own, which is passed on.

        A message that the server refuses is a fault, and the rest goes on. One that never ends is a fault too, after
        which ProtocolViolation is raised. Until the iterator is at its end or closed, the session takes no other command. Closed early,
        it reads what little may still come; where that is more than 1 MiB or a second, the session is closed (`closed`).
        """
        return retrieving.retrieve(self.core, numbers, open_sink)

    # Deleting

    def delete(self, numbers: Sequence[int]) -> list[RetrieveFault]:
        """Mark messages as deleted (DELE), which becomes real when `quit` says so; returns those that were refused."""
        return retrieving.delete(self.core, numbers)

    def quit(self) -> bool:
        """QUIT, and close the connection. Only True says that what was marked is deleted (S12); never raises."""
        return self.core.quit()

    # Ending

    def close(self) -> None:
        """End without deleting anything, with a short time limit; never raises."""
        self.core.close()

    def abort(self) -> None:
        """From any thread: a call that waits raises Cancelled at once, and so does every later one."""
        self.core.abort()
