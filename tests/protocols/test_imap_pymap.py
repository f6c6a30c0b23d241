"""The IMAP room against pymap: MOVE and UIDPLUS, but no CONDSTORE, SPECIAL-USE or LIST-STATUS, and keywords are dropped."""

from __future__ import annotations

import contextlib
import threading
import time

from protocols.imap_sessions import ALL, message
from servers.pymap_server import PymapServer
from termmail.model.account import Security, Server
from termmail.model.flags import FlagSet
from termmail.model.mailbox import Role
from termmail.model.remote import RemoteBody, RemoteFlags, RemoteHeader, UidRange
from termmail.model.secret import Secret
from termmail.protocols import imap


def test_pymap_from_end_to_end(pymap_server: PymapServer) -> None:
    pymap_server.create("lisa", "Projects/Grüße")
    pymap_server.make("lisa", "INBOX", (message(number) for number in range(20)), received=lambda index: 1_600_000_000)
    session = imap.connect(
        Server(pymap_server.host, pymap_server.port, Security.NONE), "lisa", Secret(pymap_server.password("lisa"))
    )
    with contextlib.closing(session):
        assert not session.has("CONDSTORE")
        listing = session.list_mailboxes(with_status=True)
        found = {mailbox.name: mailbox for mailbox in listing.mailboxes}
        assert {"INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash", "Projects/Grüße"} <= set(found)
        assert found["Trash"].role is Role.TRASH
        status = found["INBOX"].status
        assert status is not None
        assert status.messages == 20
        selected = session.select(b"INBOX")
        assert (selected.exists, selected.highestmodseq) == (20, None)
        [uids] = session.search_uids(1, None)
        headers = [item for item in session.fetch_headers(ALL) if isinstance(item, RemoteHeader)]
        assert [header.uid for header in headers] == list(range(uids.first, uids.last + 1))
        assert b"Subject: number 3\r\n" in headers[3].header
        assert headers[3].received_at == 1_600_000_000
        assert list(session.fetch_bodies([UidRange(uids.first, uids.first)])) == [RemoteBody(uids.first, message(0))]
        assert session.fetch_chunk(uids.first, 3, 5) == message(0)[3:8]
        seen = FlagSet.parse(["\\Seen"])
        session.store_flags([UidRange(uids.first, uids.first)], seen, FlagSet())
        [flags] = session.fetch_flags([UidRange(uids.first, uids.first)])
        assert isinstance(flags, RemoteFlags)
        assert flags.flags == seen
        moved = session.move([UidRange(uids.first, uids.first + 1)], b"Archive")
        assert [source for source, _ in moved.pairs] == [uids.first, uids.first + 1]
        assert session.search_uids(1, None) == [UidRange(uids.first + 2, uids.last)]
        appended = session.append(b"Sent", message(7), seen, 1_500_000_000)
        assert appended is not None
        name = session.encode_name("neu ☃")
        session.create(name)
        session.rename(name, session.encode_name("alt ☃"))
        session.delete(session.encode_name("alt ☃"))
        timer = threading.Timer(0.3, pymap_server.deliver, ("lisa", message(99)))
        timer.start()
        assert session.idle(until=time.monotonic() + 30, wake=None).exists
        timer.join()
