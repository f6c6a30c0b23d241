"""First sync: everything arrives, newest first, interruptible and resumed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.digest import lf_digest
from servers.dovecot import Dovecot
from servers.mbsync import mbsync_pull, without_keywords
from sync.support import EXTENSIONS, Client, message, messages

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
