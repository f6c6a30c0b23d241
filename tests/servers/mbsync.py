"""mbsync (isync) as the referee: what an independent client finds on a server."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import Protocol

from imapclient import imap_utf7

from servers.digest import Contents, lf_digest

_FLAGS = {"D": "\\Draft", "F": "\\Flagged", "P": "$Forwarded", "R": "\\Answered", "S": "\\Seen", "T": "\\Deleted"}


class ImapServer(Protocol):
    """What Dovecot and PymapServer have in common."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...

    def password(self, user: str) -> str: ...


def find_mbsync() -> str | None:
    """The path of the mbsync program, or None."""
    return shutil.which("mbsync")


def mbsync_pull(server: ImapServer, user: str, folder: Path) -> Contents:
    """A fresh copy of everything by mbsync: mailbox → Counter of (`lf_digest`, system flags and $Forwarded).

    `folder` gets a new folder inside for it. Mailboxes without a message are in it too. Other keywords are not:
    mbsync has none; see `without_keywords`. Raises RuntimeError with what mbsync complained about.
    """
    program = find_mbsync()
    if program is None:
        raise FileNotFoundError("mbsync is not installed (Debian: isync)")
    folder.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="mbsync-", dir=folder))
    config = home / "mbsyncrc"
    config.write_text(
        f"""\
FSync no

IMAPStore far
Host {server.host}
Port {server.port}
User "{user}"
Pass "{server.password(user)}"
SSLType None
AuthMechs *

MaildirStore near
Path {home}/mail/
Inbox {home}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns * INBOX
Create Near
Sync Pull
SyncState {home}/state/
"""
    )
    (home / "mail").mkdir()
    (home / "state").mkdir()
    done = subprocess.run(
        [program, "-q", "-c", str(config), "all"],
        env={**os.environ, "HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=300,
    )
    if done.returncode or done.stderr:
        raise RuntimeError(f"mbsync: exit code {done.returncode}: {done.stderr.decode(errors='replace')}")
    contents: Contents = {}
    for current in sorted((home / "mail").rglob("cur")):
        name = current.parent.relative_to(home / "mail").as_posix()
        counter: Counter[tuple[str, frozenset[str]]] = Counter()
        for part in ("cur", "new"):
            for path in (current.parent / part).iterdir():
                counter[lf_digest(path.read_bytes()), _flags_of(path.name)] += 1
        contents[imap_utf7.decode(name.encode())] = counter
    shutil.rmtree(home)
    return contents


def without_keywords(contents: Contents) -> Contents:
    """The same with only the flags that mbsync knows."""
    known = frozenset(_FLAGS.values())
    result: Contents = {}
    for mailbox, counter in contents.items():
        reduced: Counter[tuple[str, frozenset[str]]] = Counter()
        for (digest, flags), count in counter.items():
            reduced[digest, flags & known] += count
        result[mailbox] = reduced
    return result


def _flags_of(name: str) -> frozenset[str]:
    _, _, info = name.partition(":2,")
    return frozenset(_FLAGS[letter] for letter in info if letter in _FLAGS)
