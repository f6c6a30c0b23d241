"""kill -9 at every commit, rename, link and server command (S1): resumed, the end state is that of an undisturbed run."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crashing import ends_in_child
from engine.support import SECRET, make_account
from servers.dovecot import PLAIN_CAPABILITY, Dovecot
from servers.imap_reader import append
from servers.tls import Authority
from sync.support import Client, flags, message, messages
from termmail.engine.sync_once import AccountReport, sync_once
from termmail.model.home import Home

_serial = itertools.count(1)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[dict[str, Dovecot]]:
    """Started when first asked for."""
    with contextlib.ExitStack() as stack:
        yield _Servers(stack, tmp_path_factory, authority)


class _Servers(dict[str, Dovecot]):
    def __init__(self, stack: contextlib.ExitStack, folders: pytest.TempPathFactory, authority: Authority) -> None:
        super().__init__()
        self._stack = stack
        self._folders = folders
        self._authority = authority

    def __missing__(self, kind: str) -> Dovecot:
        folder = self._folders.mktemp("crash-dovecot")
        server = Dovecot(folder, authority=self._authority, capability=CAPABILITIES[kind])
        self[kind] = self._stack.enter_context(server)
        return server


CAPABILITIES = {
    "extensions": None,
    "no move": PLAIN_CAPABILITY + " UIDPLUS CONDSTORE",
    "plain": PLAIN_CAPABILITY,
}
Prepare = Callable[[Client, Dovecot], None]


def nothing(client: Client, server: Dovecot) -> None:
    """The first sync itself."""


def deliver(client: Client, server: Dovecot) -> None:
    user = client.account.user
    append(server.host, server.port, user, SECRET, "INBOX", message("late"))
    append(server.host, server.port, user, SECRET, "Archive", message("filed", size=1_200_000))


def change_flags(client: Client, server: Dovecot) -> None:
    client.intents.set_flags([client.row("mail 1").id, client.row("mail 2").id], add=flags("\\Seen", "Work"))
    client.intents.set_flags([client.row("mail 3").id], add=flags("\\Flagged"))


def move(client: Client, server: Dovecot) -> None:
    client.intents.archive([client.row("mail 1").id, client.row("mail 3").id])


def delete(client: Client, server: Dovecot) -> None:
    client.intents.delete([client.row("mail 1").id])
    client.intents.expunge([client.row("mail 2").id])


def copy(client: Client, server: Dovecot) -> None:
    client.intents.copy([client.row("mail 1").id], client.mailbox_id("Sent"))


def change_mailboxes(client: Client, server: Dovecot) -> None:
    client.intents.create_mailbox("test", "New")
    client.intents.move([client.row("mail 1").id], client.mailbox_id("New"))
    client.intents.rename_mailbox(client.mailbox_id("Junk"), "Spam")


SCENARIOS: dict[str, tuple[bool, Prepare]] = {
    "first sync": (False, nothing),
    "new mail": (True, deliver),
    "flags": (True, change_flags),
    "move": (True, move),
    "delete": (True, delete),
    "copy": (True, copy),
    "mailboxes": (True, change_mailboxes),
}


class Template:
    """A user of the server and their home just before the run to be disturbed, to be copied for each run."""

    def __init__(self, folder: Path, server: Dovecot, synced: bool, prepare: Prepare) -> None:
        self._folder = folder
        self._server = server
        self._user = f"test-crash-{next(_serial)}"
        server.make(self._user, "INBOX", messages(3))
        client = Client(folder / "template", server, self._user)
        if synced:
            client.sync()
        prepare(client, server)
        client.close()
        self._run = 0

    def run(self, disturb: Callable[[Home, str], bool]) -> tuple[bool, Run]:
        """Copy, let `disturb` do its work on the home as the user; its answer, and the copy."""
        self._run += 1
        user = f"{self._user}-{self._run}"
        home = self._folder / f"home {self._run}"
        subprocess.run(["cp", "-a", self._server.home(self._user), self._server.home(user)], check=True)
        subprocess.run(["cp", "-a", self._folder / "template", home], check=True)
        return disturb(Home.under(home), user), Run(home, self._server, user)


class Run:
    """One copy, after the disturbance."""

    def __init__(self, home: Path, server: Dovecot, user: str) -> None:
        self.home = home
        self.server = server
        self.user = user

    def resume(self) -> AccountReport:
        account = make_account(self.server.port, self.user)
        (report,) = sync_once(Home.under(self.home), [account]).accounts
        assert report.error is None
        return report

    def outcome(self) -> object:
        """What is here and there after resuming; fails where they differ or another sync still does something."""
        self.resume()
        report = self.resume()
        assert (report.new_messages, report.new_bodies, report.pending) == (0, 0, 0)
        client = Client(self.home, self.server, self.user)
        here, there = client.contents(), self.server.state(self.user)
        assert here == there
        shown = {mailbox: sorted((row.subject, *row.flags.names()) for row in client.rows(mailbox)) for mailbox in here}
        # A copy made here shares its file with the message it is a copy of.
        files = len(list(client.home.mail.rglob("cur/*")))
        assert files <= sum(counter.total() for counter in here.values())
        assert not list(client.home.mail.rglob("tmp/*.part"))
        client.close()
        return shown

    def remove(self) -> None:
        shutil.rmtree(self.home)
        shutil.rmtree(self.server.home(self.user))


def sync_and_die(port: int, when: str) -> Callable[[Home, str], bool]:
    """A pass that dies at a point; True where it came to its end before."""

    def disturb(home: Home, user: str) -> bool:
        def sync() -> None:
            (report,) = sync_once(home, [make_account(port, user)]).accounts
            assert report.error is None

        return ends_in_child(sync, when)

    return disturb


QUICK = [("extensions", scenario) for scenario in ("first sync", "new mail", "flags", "move", "delete")] + [
    ("no move", "move")
]
ALL = [(kind, scenario) for kind in CAPABILITIES for scenario in SCENARIOS]


@pytest.mark.dovecot
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("kind", "scenario"),
    [pytest.param(*case, marks=[] if case in QUICK else [pytest.mark.slow], id="-".join(case)) for case in ALL],
)
def test_killed_at_every_point(tmp_path: Path, servers: dict[str, Dovecot], kind: str, scenario: str) -> None:
    """S1, S9: nothing lost, nothing twice, and one more sync does nothing."""
    server = servers[kind]
    template = Template(tmp_path, server, *SCENARIOS[scenario])
    undisturbed, run = template.run(sync_and_die(server.port, ""))
    assert undisturbed
    expected = run.outcome()
    survived = False
    point = 0
    while not survived:
        point += 1
        survived, run = template.run(sync_and_die(server.port, str(point)))
        assert run.outcome() == expected, f"killed at point {point}"
        run.remove()
    # That there were points to die at: sign-in, LIST and a few commits at least.
    assert point > 20
