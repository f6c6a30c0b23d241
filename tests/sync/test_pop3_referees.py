"""mpop, getmail6 and neomutt as referees: the same messages in a Maildir, byte for byte, and the same in a reader's eyes."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from corpus import corpus_messages
from maildrop_home import mail
from servers.dovecot import Dovecot
from servers.tls import Authority
from termmail.engine.sync_once import sync_once
from termmail.model.account import Account, Credential, CredentialKind, Protocol, Security, Server
from termmail.model.flags import Flag, FlagSet
from termmail.model.home import Home
from termmail.model.secret import Secret
from termmail.store.intents import Intents
from termmail.store.queries import Queries

pytestmark = pytest.mark.dovecot_pop3
USER = "test-referee"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Dovecot]:
    with Dovecot(tmp_path_factory.mktemp("referee"), authority=authority, pop3=True) as running:
        messages = [mail(number) for number in range(1, 60)] + [
            b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\n",
            b"Subject: bare\r\n\r\nCR\rin a line\r\n",
            "Subject: größe\r\n\r\nÄ\r\n".encode(),
            *(raw for _, raw in corpus_messages(every=20)),
        ]
        running.make(USER, "INBOX", messages, new=True)
        yield running


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users may enter."""
    folder = Path(tempfile.mkdtemp(prefix="tm-referee-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def make_maildir(folder: Path) -> Path:
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir(parents=True)
    return folder


def contents(maildir: Path) -> Counter[bytes]:
    return Counter(path.read_bytes() for part in ("cur", "new") for path in (maildir / part).iterdir())


def bodies(maildir: Path) -> Counter[bytes]:
    return Counter(raw.partition(b"\n\n")[2] for raw in contents(maildir).elements())


def sync(folder: Path, server: Dovecot) -> Home:
    home = Home.under(folder)
    account = Account(
        name="bob",
        email="bob@example.org",
        protocol=Protocol.POP3,
        incoming=Server(server.host, server.pop3_port, Security.NONE),
        smtp=None,
        user=USER,
        credential=Credential(CredentialKind.COMMAND, "true"),
    )
    (report,) = sync_once(home, [account], password=lambda account: Secret("secret")).accounts
    assert report.error is None
    return home


@pytest.mark.mpop
def test_the_same_as_mpop(tmp_path: Path, server: Dovecot) -> None:
    home = sync(tmp_path / "home", server)
    theirs = make_maildir(tmp_path / "mpop")
    subprocess.run(
        [
            "mpop", f"--host={server.host}", f"--port={server.pop3_port}", "--tls=off", "--auth=user", f"--user={USER}",
            "--passwordeval=echo secret", "--keep=on", "--received-header=off", f"--delivery=maildir,{theirs}",
            f"--uidls-file={tmp_path / 'uidls'}", "--quiet",
        ],
        check=True,
        timeout=60,
    )  # fmt: skip
    assert contents(home.mail / "bob" / "INBOX") == contents(theirs)


@pytest.mark.getmail
def test_the_same_as_getmail(tmp_path: Path, open_folder: Path, server: Dovecot) -> None:
    home = sync(tmp_path / "home", server)
    theirs = make_maildir(open_folder / "maildir")
    as_user = ""
    if os.geteuid() == 0:
        # It will not deliver as root.
        nobody = pwd.getpwnam("nobody")
        for path in (theirs, *theirs.iterdir()):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        as_user = "user = nobody\n"
    settings = open_folder / "settings"
    settings.write_text(
        f"[retriever]\ntype = SimplePOP3Retriever\nserver = {server.host}\nport = {server.pop3_port}\n"
        f"username = {USER}\npassword = secret\n[destination]\ntype = Maildir\npath = {theirs}/\n{as_user}"
        "[options]\ndelivered_to = false\nreceived = false\nverbose = 0\n"
    )
    subprocess.run(["getmail", f"--getmaildir={open_folder}", f"--rcfile={settings}"], check=True, timeout=100)
    # It parses mail and writes it anew, which changes what is odd: that stays the same is what it says of the rest.
    ours, got = bodies(home.mail / "bob" / "INBOX"), bodies(theirs)
    assert ours.total() == got.total()
    usual = {raw for raw in ours if raw.startswith(b"Hello.")}
    assert len(usual) == 59
    assert usual <= got.keys()


@pytest.mark.neomutt
def test_neomutt_reads_it(tmp_path: Path, server: Dovecot) -> None:
    """The same subjects and flags in its list; and what it changes is taken over here (L8)."""
    home = sync(tmp_path / "home", server)
    queries, intents = Queries(home), Intents(home)
    inbox = queries.find_mailbox("bob", "INBOX")
    assert inbox is not None
    by_subject = {row.subject: row.id for row in queries.newest_rows("bob", inbox.id, 1000)}
    intents.set_flags([by_subject["Number 7"]], add=FlagSet(Flag.SEEN | Flag.FLAGGED))
    intents.set_flags([by_subject["Number 8"]], add=FlagSet(Flag.ANSWERED | Flag.SEEN))
    intents.archive([by_subject["Number 9"]])
    intents.close()
    sync(tmp_path / "home", server)
    inbox_folder, archive_folder = home.mail / "bob" / "INBOX", home.mail / "bob" / ".Archive"
    numbers = {f"Number {number}" for number in range(1, 60)}
    assert numbers & _neomutt_finds(tmp_path, inbox_folder, "~s Number") == numbers - {"Number 9"}
    assert _neomutt_finds(tmp_path, inbox_folder, "~F") == {"Number 7"}
    assert _neomutt_finds(tmp_path, inbox_folder, "~Q") == {"Number 8"}
    assert _neomutt_finds(tmp_path, inbox_folder, "~R") == {"Number 7", "Number 8"}
    assert _neomutt_finds(tmp_path, archive_folder, "~A") == {"Number 9"}
    _run_neomutt(tmp_path, inbox_folder, "<limit>~s 'Number 11'<enter><flag-message><sync-mailbox><exit>")
    sync(tmp_path / "home", server)
    row = queries.row(by_subject["Number 11"])
    assert row is not None
    assert Flag.FLAGGED in row.flags.system
    queries.close()


def _neomutt_finds(tmp_path: Path, maildir: Path, pattern: str) -> set[str]:
    """The subjects of the messages of a Maildir that neomutt finds by a pattern."""
    found = tmp_path / "found"
    found.write_text("")
    pipe = f"<pipe-message>grep -aim1 subject: >> {found}<enter>"
    _run_neomutt(tmp_path, maildir, f"<tag-pattern>{pattern}<enter><tag-prefix-cond>{pipe}<end-cond><exit>")
    return {line.partition(":")[2].strip() for line in found.read_text(errors="replace").splitlines()}


def _run_neomutt(tmp_path: Path, maildir: Path, keys: str) -> None:
    settings = tmp_path / "neomuttrc"
    settings.write_text(
        f"set folder = {tmp_path}\nset spoolfile = {maildir}\nset record = ''\nset sort = mailbox-order\nset quit = yes\n"
        "set pipe_split = yes\nset wait_key = no\nset delete = no\nset mark_old = no\n"
        f'push "{keys}"\n'
    )
    subprocess.run(
        ["script", "-qec", f"neomutt -n -F {settings} -f {maildir}", "/dev/null"],
        check=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "TERM": "xterm", "HOME": str(tmp_path)},
    )
