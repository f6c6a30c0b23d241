"""First sync: everything arrives, newest first, interruptible and resumed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from servers.digest import lf_digest
from servers.dovecot import Dovecot
from servers.imap_reader import append
from servers.mbsync import mbsync_pull, without_keywords
from sync.support import EXTENSIONS, Client, message, messages
from termmail.sync import plan

FLAGS = ((), ("\\Seen",), ("\\Seen", "\\Answered"), ("\\Flagged", "$Forwarded"), ("\\Draft",), ("\\Deleted", "Work"))


@pytest.fixture
def client(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> Iterator[Client]:
    found = Client(tmp_path / "home", dovecot_server, dovecot_user)
    yield found
    found.close()


@pytest.fixture
def plain_client(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> Iterator[Client]:
    """The same server seen without any extension."""
    found = Client(tmp_path / "home", dovecot_server, dovecot_user, disable=EXTENSIONS)
    yield found
    found.close()


@pytest.mark.mbsync
@pytest.mark.parametrize("disable", [(), EXTENSIONS], ids=["extensions", "plain"])
def test_a_first_sync_holds_what_the_server_holds(
    tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str, disable: tuple[str, ...]
) -> None:
    """S4: the same end state with and without extensions; mbsync agrees."""
    dovecot_server.create(dovecot_user, "Projects", "Projects/2025", "Entwürfe & Ähnliches")
    dovecot_server.make(dovecot_user, "INBOX", messages(30), flags=lambda index: FLAGS[index % len(FLAGS)])
    dovecot_server.make(dovecot_user, "Projects/2025", messages(3, "project"))
    dovecot_server.make(dovecot_user, "Entwürfe & Ähnliches", [message("Ähre", body="Grüße")])
    client = Client(tmp_path / "home", dovecot_server, dovecot_user, disable=disable)
    client.sync()
    assert client.contents() == dovecot_server.state(dovecot_user)
    assert without_keywords(client.contents(lf_digest)) == mbsync_pull(dovecot_server, dovecot_user, tmp_path / "near")
    assert client.sentences() == []
    client.close()


def test_new_mail_does_not_wait_for_the_whole_list(
    tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S15: a message that comes while a long mailbox is listed for the first time is there before the oldest ones are."""
    # On a fast machine few windows would hold it all.
    monkeypatch.setattr(plan, "next_size", lambda size, seconds: size)
    dovecot_server.make(dovecot_user, "INBOX", messages(1000))
    client = _Watching(tmp_path / "home", dovecot_server, dovecot_user)
    client.sync(bodies=False)
    assert client.floor_with_late > 1
    assert len(client.rows()) == 1001
    with client.syncing() as sync:
        sync.run()
    assert sync.new_messages == 0
    client.close()


class _Watching(Client):
    """Has a message delivered when the first ones are listed, and notes how far the list had got when that one was seen."""

    def __init__(self, folder: Path, server: Dovecot, user: str) -> None:
        super().__init__(folder, server, user)
        self._deliver: Callable[[], object] | None = lambda: append(
            server.host, server.port, user, server.password(user), "INBOX", message("late")
        )
        self.floor_with_late = 0

    def show_progress(self, activity: str, done: int, total: int) -> None:
        super().show_progress(activity, done, total)
        if activity != "INBOX: messages" or self.floor_with_late:
            return
        deliver, self._deliver = self._deliver, None
        if deliver is not None:
            deliver()
        state = self.ingest.mailbox_state(self.mailbox_id("INBOX"))
        assert state is not None
        if any(row.subject == "late" for row in self.rows()):
            self.floor_with_late = state.floor or 0
