"""Servers, mail and homes for the benchmark, and the programs it measures against."""

from __future__ import annotations

import os
import quopri
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from filled_store import FilledStore
from gallery.mails import mails
from servers.dovecot import Dovecot
from termmail.accounts import config
from termmail.model.account import (
    Account,
    Credential,
    CredentialKind,
    OfflineKind,
    OfflinePolicy,
    Protocol,
    Security,
    Server,
)
from termmail.model.home import Home

PASSWORD = "secret"
_WORDS = ["lantern", "harbour", "gull", "keeper", "mustard", "tide", "brass", "prism", "winter", "crane"]


def termmail() -> str:
    return str(Path(sys.executable).with_name("termmail"))


def message(number: int, size: int) -> bytes:
    """A mail of about `size` bytes, another one for each number."""
    header = (
        f"Received: from mx.example.net by mail.example.org; Mon, 02 Nov 2026 {number // 3600 % 24:02d}:{number // 60 % 60:02d}:"
        f"{number % 60:02d} +0000\r\nFrom: Person {number % 997} <person{number % 997}@example.net>\r\nTo: lisa@example.org\r\n"
        f"Subject: {_WORDS[number % 10]} and {_WORDS[number // 10 % 10]} {number}\r\nMessage-ID: <{number}@example.net>\r\n"
        f"Date: Mon, 02 Nov 2026 {number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d} +0000\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    )
    line = " ".join(_WORDS[(number + step) % 10] for step in range(9)) + "\r\n"
    return (header + line * max(1, (size - len(header)) // len(line))).encode()


def messages(count: int, size: int) -> Iterator[bytes]:
    return (message(number, size) for number in range(1, count + 1))


def imap_account(port: int, user: str, *, offline: OfflineKind = OfflineKind.ALL) -> Account:
    return Account(
        name="lisa",
        email="lisa@example.org",
        protocol=Protocol.IMAP,
        incoming=Server(Dovecot.host, port, Security.NONE),
        smtp=None,
        user=user,
        credential=Credential(CredentialKind.COMMAND, f"echo {PASSWORD}"),
        offline=OfflinePolicy(offline),
    )


def pop3_account(port: int, user: str) -> Account:
    return Account(
        name="bob",
        email="bob@example.org",
        protocol=Protocol.POP3,
        incoming=Server(Dovecot.host, port, Security.NONE),
        smtp=None,
        user=user,
        credential=Credential(CredentialKind.COMMAND, f"echo {PASSWORD}"),
    )


def home_of(folder: Path, account: Account) -> Home:
    """A home whose config file has this account, and nothing else."""
    home = Home.under(folder)
    folder.mkdir(mode=0o700, parents=True)
    config.add_account(home, account)
    return home


def filled_home(folder: Path, count: int, *, bodies: int = 0) -> Home:
    """A home with a synced inbox of so many messages, the newest `bodies` of them whole, which works offline: there is no server to
    tell of."""
    store = FilledStore(folder, count=count)
    for number, placement_id in enumerate(store.ids()[:bodies]):
        store.add_body(placement_id, message(number, 1_000))
    store.intents.set_work_offline(True)
    store.close()
    by_command = Credential(CredentialKind.COMMAND, f"echo {PASSWORD}")
    config.add_account(store.home, msgspec.structs.replace(store.accounts[0], credential=by_command))
    return store.home


def home_with(folder: Path, bodies: Sequence[bytes]) -> Home:
    """A home with these messages, the first one on top, which works offline and where looking at them does not mark them as read."""
    store = FilledStore(folder, count=len(bodies))
    for placement_id, raw in zip(store.ids(), bodies, strict=True):
        store.add_body(placement_id, raw)
    store.intents.set_work_offline(True)
    store.close()
    by_command = Credential(CredentialKind.COMMAND, f"echo {PASSWORD}")
    config.add_account(store.home, msgspec.structs.replace(store.accounts[0], credential=by_command))
    file = store.home.config / "config.toml"
    file.write_text(file.read_text() + "\n[ui]\nmark_read_after = -1.0\n")
    return store.home


def long_newsletter(number: int) -> bytes:
    """The gallery's newsletter with so many stories that it takes 200 kB, another one for each number."""
    raw = mails()["newsletter"]
    head, _, rest = raw.partition(b"\r\n\r\n")
    markup = quopri.decodestring(rest).decode()
    first = markup.index('<tr><td style="padding:24px;"><table')
    last = markup.index('<tr><td><table role="presentation" width="100%"><tr>', first)
    stories = markup[first:last]
    longer = (
        markup[:first]
        + stories * ((200_000 - len(markup)) // len(stories) + 1)
        + f"<p>Issue {number}</p>"
        + markup[last:]
    )
    return head.replace(b"quoted-printable", b"8bit") + b"\r\n\r\n" + longer.encode()


def run(*command: str, environment: dict[str, str] | None = None, ok: tuple[int, ...] = (0,)) -> None:
    """A program that must end well. Raises RuntimeError with what it said."""
    done = subprocess.run(
        command, env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode not in ok:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace')}")


def sync(home: Home) -> None:
    """`termmail sync`, in a process of its own."""
    run(termmail(), "--home", str(home.config), "sync")


def maildir(folder: Path) -> Path:
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir(parents=True)
    return folder


def mbsync_settings(folder: Path, host: str, port: int, user: str) -> Path:
    """A configuration of mbsync that mirrors a user's whole mail into `folder`, durably, as it does by default."""
    for name in ("mail", "state"):
        (folder / name).mkdir(parents=True)
    path = folder / "mbsyncrc"
    path.write_text(
        f'IMAPStore far\nHost {host}\nPort {port}\nUser "{user}"\nPass "{PASSWORD}"\nSSLType None\nAuthMechs *\n\n'
        f"MaildirStore near\nPath {folder}/mail/\nInbox {folder}/mail/INBOX\nSubFolders Verbatim\n\n"
        f"Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Near\nSync Pull\nSyncState {folder}/state/\n"
    )
    return path


def mpop_command(port: int, user: str, folder: Path) -> list[str]:
    """mpop into the Maildir `folder`/mail, with its list of UIDLs beside it."""
    if not (folder / "mail").exists():
        maildir(folder / "mail")
    return [
        "mpop", f"--host={Dovecot.host}", f"--port={port}", "--tls=off", "--auth=user", f"--user={user}",
        f"--passwordeval=echo {PASSWORD}", "--keep=on", "--received-header=off", f"--delivery=maildir,{folder / 'mail'}",
        f"--uidls-file={folder / 'uidls'}", "--quiet",
    ]  # fmt: skip


def neomutt_settings(folder: Path, *lines: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "neomuttrc"
    common = ("set wait_key = no", "set quit = yes", "set sort = mailbox-order", f"set header_cache = {folder}/cache")
    path.write_text("\n".join((f"set folder = {folder}", "set record = ''", *common, *lines)) + "\n")
    (folder / "cache").mkdir(exist_ok=True)
    return path


def has(program: str) -> bool:
    return shutil.which(program) is not None
