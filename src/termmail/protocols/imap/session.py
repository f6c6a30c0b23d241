"""One signed-in IMAP connection as the sync uses it."""

from __future__ import annotations

import datetime
from collections.abc import Generator, Sequence

from termmail.model.errors import Scope, ServerRefused
from termmail.model.flags import FlagSet
from termmail.model.remote import (
    CopiedUids,
    FetchFault,
    MailboxListing,
    MailboxStatus,
    Quota,
    RemoteBody,
    RemoteFlags,
    RemoteHeader,
    Selected,
    UidRange,
)
from termmail.protocols.imap import fetching, idling, mailboxes, messages, names, searching, selecting
from termmail.protocols.imap import quota as quotas
from termmail.protocols.imap.core import Core
from termmail.protocols.imap.idling import IdleResult
from termmail.protocols.imap.unsolicited import Unsolicited


class ImapSession:
    """A session belongs to one thread at a time, but for `abort`.

    Any method may raise ConnectionLost, ProtocolViolation (both end the session), Cancelled (after `abort`), and ServerRefused
    for a tagged NO, with its response code. Names of mailboxes are those of the wire, see `encode_name`.
    """

    def __init__(self, core: Core) -> None:
        self.core = core

    @property
    def capabilities(self) -> frozenset[str]:
        """In capitals, as told after the sign-in, less those disabled."""
        return self.core.capabilities

    @property
    def host(self) -> str:
        return self.core.host

    @property
    def plain(self) -> bool:
        """Whether the connection is not encrypted."""
        return self.core.plain

    @property
    def selected(self) -> bytes | None:
        """The wire name of the open mailbox."""
        return self.core.selected

    @property
    def closed(self) -> bool:
        """Whether the connection is gone, so that a new session is needed."""
        return self.core.wire.closed

    def has(self, name: str) -> bool:
        """Whether the server offers this extension, such as "MOVE", and it was not disabled."""
        return self.core.has(name)

    def disable(self, *capabilities: str) -> None:
        """Pretend that the server does not offer these. Before the first command ENABLE is left out too."""
        gone = {name.upper() for name in capabilities}
        self.core.capabilities -= gone
        self.core.ahead = [
            (verb, b" ".join(word for word in rest.split() if word.decode() not in gone) if verb == "ENABLE" else rest)
            for verb, rest in self.core.ahead
            if verb not in gone
        ]
        self.core.ahead = [(verb, rest) for verb, rest in self.core.ahead if rest]

    # Mailboxes

    def list_mailboxes(self, *, with_status: bool) -> MailboxListing:
        """All mailboxes, with what STATUS says where `with_status`: in one round trip with LIST-STATUS (RFC 5819), else with a
        STATUS each, sent many at once. Roles come from SPECIAL-USE (RFC 6154), from names only where that is not offered."""
        return mailboxes.list_mailboxes(self.core, with_status=with_status)

    def status(self, wire_name: bytes) -> MailboxStatus:
        """STATUS of one mailbox."""
        return mailboxes.status(self.core, wire_name)

    def select(self, wire_name: bytes, *, known: tuple[int, int] | None = None, read_only: bool = False) -> Selected:
        """Open a mailbox, read-only by EXAMINE. With QRESYNC and `known` = (uidvalidity, highestmodseq) the answer's `changed`
        and `vanished` tell what happened since; they are None where the server could not."""
        return selecting.select(self.core, wire_name, known, read_only)

    def quota(self) -> Quota | None:
        """How much room the inbox has; of several limits the one that is reached first. None where the server has none, or does not
        say."""
        return quotas.quota(self.core)

    def create(self, wire_name: bytes) -> None:
        """CREATE."""
        mailboxes.create(self.core, wire_name)

    def delete(self, wire_name: bytes) -> None:
        """DELETE a mailbox with all its messages."""
        mailboxes.delete(self.core, wire_name)

    def rename(self, old: bytes, new: bytes) -> None:
        """RENAME; the levels below go along."""
        mailboxes.rename(self.core, old, new)

    def subscribe(self, wire_name: bytes) -> None:
        """SUBSCRIBE."""
        mailboxes.subscribe(self.core, wire_name)

    def unsubscribe(self, wire_name: bytes) -> None:
        """UNSUBSCRIBE."""
        mailboxes.unsubscribe(self.core, wire_name)

    def encode_name(self, name: str) -> bytes:
        """A mailbox name for the wire, in modified UTF-7. Raises UnsafeArgument."""
        return names.encode_name(name)

    # Reading

    def search_uids(self, first: int, last: int | None) -> list[UidRange]:
        """The UIDs that exist from `first` to `last`, both included; None is no upper end. Sorted and joined."""
        return searching.search_uids(self.core, first, last)

    def search_message_id(self, message_id_header: str) -> list[int]:
        """UIDs of the open mailbox whose Message-ID contains this. Raises UnsafeArgument."""
        return searching.search_message_id(self.core, message_id_header)

    def fetch_headers(self, uids: Sequence[UidRange]) -> Generator[RemoteHeader | FetchFault, None, None]:
        """Header fields, flags, size and date, one by one while they arrive. UIDs that do not exist are passed over.

        What can't be read becomes a FetchFault and the rest goes on (P3). Answers to what was not asked are left for
        `take_unsolicited`. Until the iterator is at its end or closed, the session takes no other command. Closed early,
        it reads what little may still come; where that is more than 4 MB or a second, the session is closed (`closed`).
        """
        return fetching.fetch_headers(self.core, uids)

    def fetch_flags(
        self, uids: Sequence[UidRange], *, changed_since: int | None = None
    ) -> Generator[RemoteFlags | FetchFault, None, None]:
        """Flags, of those changed since a modification sequence only where that is given and CONDSTORE offered. As
        `fetch_headers` otherwise."""
        return fetching.fetch_flags(self.core, uids, changed_since)

    def fetch_bodies(
        self, uids: Sequence[UidRange], *, max_size: int | None = None
    ) -> Generator[RemoteBody | FetchFault, None, None]:
        """Whole messages, for those of moderate size. One above `max_size` bytes is a fault; one above the session's
        `max_literal` is a fault too, after which ConnectionLost is raised (P10). As `fetch_headers` otherwise."""
        return fetching.fetch_bodies(self.core, uids, max_size)

    def fetch_chunk(self, uid: int, offset: int, length: int) -> bytes:
        """`length` bytes of a message from `offset` on; fewer at its end, none behind it. Raises ServerRefused with scope
        MESSAGE where the message is gone."""
        found = fetching.fetch_chunk(self.core, uid, offset, length)
        if found is None:
            raise ServerRefused(f"{self.host} no longer has this message.", scope=Scope.MESSAGE)
        return found

    # Changing

    def store_flags(self, uids: Sequence[UidRange], add: FlagSet, remove: FlagSet) -> None:
        """Add and remove flags and keywords. Raises UnsafeArgument for a keyword that IMAP can't express."""
        messages.store_flags(self.core, uids, add, remove)

    def move(self, uids: Sequence[UidRange], wire_name: bytes) -> CopiedUids:
        """MOVE (RFC 6851); only where `has("MOVE")`."""
        return messages.copy(self.core, "UID MOVE", uids, wire_name)

    def copy(self, uids: Sequence[UidRange], wire_name: bytes) -> CopiedUids:
        """COPY; the result is empty where the server does not tell (UIDPLUS)."""
        return messages.copy(self.core, "UID COPY", uids, wire_name)

    def expunge(self, uids: Sequence[UidRange]) -> bool:
        """UID EXPUNGE of what is \\Deleted among these. False, and nothing sent, where UIDPLUS is not offered: a plain EXPUNGE
        would destroy what others marked (S9)."""
        return messages.expunge(self.core, uids)

    def append(self, wire_name: bytes, raw: bytes, flags: FlagSet, received_at: int) -> tuple[int, int] | None:
        """Store a message, `received_at` in Unix seconds. Returns its (uidvalidity, uid) where the server tells."""
        return messages.append(
            self.core, wire_name, raw, flags, datetime.datetime.fromtimestamp(received_at, datetime.UTC)
        )

    # Waiting

    def idle(self, *, until: float, wake: int | None) -> IdleResult:
        """Wait until the server tells of a change, `until` (time.monotonic()) passes, or the file descriptor `wake` becomes
        readable, which is left to its owner to read. Details lie in `take_unsolicited`."""
        return idling.idle(self.core, until, wake)

    def notify_start(self) -> bool:
        """Ask to be told, while waiting, of changes in all mailboxes (RFC 5465). False where that is not offered."""
        return mailboxes.notify_start(self.core)

    def noop(self) -> None:
        """NOOP: let the server tell what is new."""
        self.core.command("NOOP")

    @property
    def mailbox_size(self) -> int | None:
        """How many messages the selected mailbox has, as far as the server has said; None where none is selected."""
        return self.core.collector.mailbox_size

    def take_unsolicited(self) -> Unsolicited:
        """What the server said unasked since the last call."""
        self.core.take_buffered()
        return self.core.collector.take_all()

    # Ending

    def close(self) -> None:
        """LOGOUT with a short time limit; never raises."""
        self.core.close()

    def abort(self) -> None:
        """From any thread: a call that waits raises Cancelled at once, and so does every later one."""
        self.core.abort()
