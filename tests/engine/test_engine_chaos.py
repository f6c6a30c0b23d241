"""Random work on both sides while the engine is killed again and again (S2): in the end both hold the same."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.support import make_account, make_home, start_engine, stop_engine, until
from servers.dovecot import PLAIN_CAPABILITY, Dovecot
from store.store_checks import check_files, check_no_strays, check_rows
from sync.support import Client, message
from termmail.engine.sync_once import AccountReport, sync_once
from termmail.model.errors import TermmailError
from termmail.model.flags import Flag, FlagSet
from termmail.model.home import Home

_SETTLING_PASSES = 5


class _Chaos:
    """A user here and another client there, neither of whom knows what the other does."""

    def __init__(self, client: Client, server: Dovecot, user: str, seed: int) -> None:
        self._client = client
        self._server = server
        self._user = user
        self._random = random.Random(seed)
        self._delivered = 0
        self._here = (
            self._mark,
            self._mark,
            self._unmark,
            self._move,
            self._copy,
            self._archive,
            self._delete,
            self._undo,
        )
        self._there = (self._deliver, self._mark_there, self._remove_there)

    def step(self) -> None:
        """Something, somewhere; what is refused, as archiving what lies in the archive, is no matter."""
        action: Callable[[], object] = self._random.choice((*self._here, *self._there))
        try:
            action()
        except TermmailError:
            return

    def one_in(self, times: int) -> bool:
        return self._random.randrange(times) == 0

    def pause(self) -> None:
        time.sleep(self._random.random() * 0.2)

    def _some(self) -> list[int]:
        queries = self._client.queries
        boxes = [box for box in queries.mailboxes("test") if box.total]
        if not boxes:
            return []
        ids = list(queries.message_ids(self._random.choice(boxes).id))
        return self._random.sample(ids, min(len(ids), self._random.randint(1, 3)))

    def _mailbox(self) -> int:
        return self._random.choice([box.id for box in self._client.queries.mailboxes("test") if box.selectable])

    def _mark(self) -> None:
        flag = self._random.choice((Flag.SEEN, Flag.FLAGGED, Flag.ANSWERED))
        self._client.intents.set_flags(self._some(), add=FlagSet(flag))

    def _unmark(self) -> None:
        self._client.intents.set_flags(self._some(), remove=FlagSet(Flag.SEEN))

    def _move(self) -> None:
        self._client.intents.move(self._some(), self._mailbox())

    def _copy(self) -> None:
        self._client.intents.copy(self._some(), self._mailbox())

    def _archive(self) -> None:
        self._client.intents.archive(self._some())

    def _delete(self) -> None:
        self._client.intents.delete(self._some())

    def _undo(self) -> None:
        self._client.intents.undo()

    def _deliver(self) -> None:
        self._delivered += 1
        self._server.doveadm("save", "-u", self._user, "-m", "INBOX", stdin=message(f"late {self._delivered}"))

    def _mark_there(self) -> None:
        uid = str(self._random.randint(1, 100))
        self._server.doveadm("flags", "add", "-u", self._user, "\\Seen $Other", "mailbox", "INBOX", "uid", uid)

    def _remove_there(self) -> None:
        uid = str(self._random.randint(1, 100))
        self._server.doveadm("expunge", "-u", self._user, "mailbox", "INBOX", "uid", uid)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("extensions", ["all", "UIDPLUS"])
def test_killed_at_random_while_both_sides_work(tmp_path: Path, seed: int, extensions: str) -> None:
    """S1, S2: nothing lost, nothing twice, every message with its file in its place, and one more pass does nothing."""
    user = "test-chaos"
    capability = None if extensions == "all" else f"{PLAIN_CAPABILITY} {extensions}"
    with Dovecot(tmp_path / "dovecot", capability=capability) as server:
        server.create(user, "Work", "Old stuff")
        server.make(user, "INBOX", (message(f"mail {number}", size=number % 3 * 20_000) for number in range(100)))
        home = make_home(tmp_path / "home", make_account(server.port, user))
        client = Client(home.config, server, user)
        chaos = _Chaos(client, server, user, seed)
        process = start_engine(home)
        until(lambda: client.queries.mailboxes("test"), "the server's mailboxes are known")
        for _ in range(100):
            chaos.pause()
            chaos.step()
            if chaos.one_in(8):
                process.kill()
                stop_engine(process)
                process = start_engine(home)
        assert stop_engine(process) == 0
        reports = [_pass(home, client) for _ in range(_SETTLING_PASSES)]
        assert (reports[-1].carried_out, reports[-1].new_messages, reports[-1].new_bodies) == (0, 0, 0)
        assert client.contents() == server.state(user)
        database = client.ingest.database
        check_rows(database)
        check_files(database)
        check_no_strays(database)
        assert database.all("SELECT id FROM placement WHERE file_name IS NULL OR file_mailbox_id <> mailbox_id") == []
        assert "Traceback" not in home.log_file.read_text()
        client.close()


def _pass(home: Home, client: Client) -> AccountReport:
    (report,) = sync_once(home, [make_account(client.account.incoming.port, client.account.user)]).accounts
    assert report.error is None
    assert report.pending == 0
    return report
