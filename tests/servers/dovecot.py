"""Dovecot 2.3 from the operating system's packages, run from a temporary folder on free loopback ports."""

from __future__ import annotations

import contextlib
import getpass
import itertools
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType

from imapclient import imap_utf7

from servers.digest import Contents, raw_digest
from servers.imap_reader import read_contents
from servers.ports import free_ports, wait_for_greeting
from servers.tls import Authority, Certificate, make_authority

PLAIN_CAPABILITY = "IMAP4rev1 LITERAL+ SASL-IR ID"
"""`capability` for a server without any of the extensions termmail uses."""

SPECIAL_MAILBOXES = ("Archive", "Drafts", "Junk", "Sent", "Trash")
"""The mailboxes each user has from the first sign-in on, with their SPECIAL-USE attribute."""

_MAILDIR_LETTERS = {"\\Draft": "D", "\\Flagged": "F", "\\Answered": "R", "\\Seen": "S", "\\Deleted": "T"}
_TEST_PREFIX = "test-"


def find_dovecot() -> str | None:
    """The path of the dovecot program, or None."""
    return shutil.which("dovecot", path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/usr/local/sbin")


def find_dovecot_pop3() -> str | None:
    """The path of Dovecot's POP3 login program, or None."""
    return _find_service("pop3-login")


def find_dovecot_submission() -> str | None:
    """The path of the login program of Dovecot's submission service, or None."""
    return _find_service("submission-login")


def _find_service(name: str) -> str | None:
    program = find_dovecot()
    if program is None:
        return None
    root = Path(program).resolve().parent.parent
    for folder in (
        root / "lib/dovecot",
        root / "libexec/dovecot",
        Path("/usr/lib/dovecot"),
        Path("/usr/libexec/dovecot"),
    ):
        if (folder / name).exists():
            return str(folder / name)
    return None


class Dovecot:
    """A context manager; also to be started and stopped by hand, always on the same ports.

    Any user whose name begins with "test-" exists and has `test_password`; others are in `users` (name → password).
    `capability` replaces what the server says it can do after sign-in (the commands themselves stay). `certificate`
    is what it shows, else a good one for localhost and 127.0.0.1 by the authority `tls`. With `pop3` a user's INBOX is a
    maildrop too, at `pop3_port` (plain and STLS) and `pop3_tls_port`. `special` are the mailboxes that each user
    has. `extra` is appended to the configuration. A password is taken without TLS too: to Dovecot a connection from the same
    address is secure.

    Runs as root and as anybody else. Nothing is made durable: this is for tests.
    """

    host = "127.0.0.1"
    test_password = "secret"

    def __init__(
        self,
        folder: Path,
        *,
        capability: str | None = None,
        users: Mapping[str, str] | None = None,
        certificate: Certificate | None = None,
        authority: Authority | None = None,
        mechanisms: str = "plain login cram-md5 scram-sha-256",
        pop3: bool = False,
        special: tuple[str, ...] = SPECIAL_MAILBOXES,
        extra: str = "",
    ) -> None:
        program = find_dovecot()
        if program is None:
            raise FileNotFoundError("dovecot is not installed (Debian: dovecot-imapd)")
        self._program = program
        self._doveadm = str(Path(program).with_name("doveadm"))
        if not Path(self._doveadm).exists():
            self._doveadm = "doveadm"
        self.folder = folder
        self.users = dict({"lisa": "secret"} if users is None else users)
        self.tls = authority or make_authority(folder / "tls")
        self._certificate = certificate or self.tls.good
        self.port, self.tls_port, self.pop3_port, self.pop3_tls_port = free_ports(4)
        self._capability = capability
        self._mechanisms = mechanisms
        self._pop3 = pop3
        self._special = special
        self._extra = extra
        self._process: subprocess.Popen[bytes] | None = None
        self._run_folder: Path | None = None
        self._serial = itertools.count(1)

    def __enter__(self) -> Dovecot:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def config_file(self) -> Path:
        return self.folder / "dovecot.conf"

    @property
    def log_file(self) -> Path:
        return self.folder / "dovecot.log"

    @property
    def certificate(self) -> Certificate:
        return self._certificate

    @certificate.setter
    def certificate(self, value: Certificate) -> None:
        """Takes effect at the next `start`."""
        self._certificate = value

    @property
    def capability(self) -> str | None:
        return self._capability

    @capability.setter
    def capability(self, value: str | None) -> None:
        """Takes effect at the next `start`."""
        self._capability = value

    def password(self, user: str) -> str:
        return self.test_password if user.startswith(_TEST_PREFIX) else self.users[user]

    def home(self, user: str) -> Path:
        """The folder of a user's mail, a tree of Maildirs, with INBOX at its root."""
        if self._run_folder is None:
            raise RuntimeError("Dovecot was never started")
        return self._run_folder / "mail" / user

    def start(self) -> None:
        """Start it and wait until it greets. Raises RuntimeError with its log when it does not within 20 s."""
        if self._process is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._run_folder is None:
            # Its sockets need a path below 108 characters, and its users one they may enter: pytest's folders are neither.
            self._run_folder = Path(tempfile.mkdtemp(prefix="tm-dovecot-"))
            self._run_folder.chmod(0o755)
            (self._run_folder / "mail").mkdir()
            _give_away(self._run_folder / "mail")
        self.config_file.write_text(self._configuration(self._run_folder))
        with (self.folder / "stderr").open("ab") as stderr:
            self._process = subprocess.Popen(
                [self._program, "-F", "-c", str(self.config_file)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,
            )
        if not wait_for_greeting(self.port, 60):
            text = self.log_text()
            self.stop()
            raise RuntimeError(f"Dovecot did not greet on port {self.port}:\n{text}")

    def stop(self) -> None:
        """End it and every connection to it; the mail stays, and `start` brings it back on the same ports."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        _wait(process)

    def close(self) -> None:
        """End it for good, and remove its run-time folder. Its orderly end takes a second, for which nobody waits."""
        process, self._process = self._process, None
        folder, self._run_folder = self._run_folder, None
        if process is not None:
            process.send_signal(signal.SIGTERM)
        threading.Thread(target=_wait_and_remove, args=(process, folder), name="end of Dovecot").start()

    def log_text(self) -> str:
        """Everything it logged."""
        parts = [path.read_text(errors="replace") for path in (self.folder / "stderr", self.log_file) if path.exists()]
        return "".join(parts)

    def doveadm(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """The output of a doveadm command on this server. Raises RuntimeError with what it complained about."""
        command = [self._doveadm, "-c", str(self.config_file), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=60)
        if done.returncode:
            raise RuntimeError(f"doveadm {' '.join(arguments)}: {done.stderr.decode(errors='replace')}")
        return done.stdout

    def kick(self, user: str) -> None:
        """Cut the connections of a user."""
        with contextlib.suppress(RuntimeError):
            self.doveadm("kick", user)

    def create(self, user: str, *mailboxes: str, subscribe: bool = True) -> None:
        """Create mailboxes, "/" between the levels."""
        if mailboxes:
            self.doveadm("mailbox", "create", *(["-s"] if subscribe else []), "-u", user, *mailboxes)

    def change_uidvalidity(self, user: str, mailbox: str, value: int) -> None:
        """Give a mailbox another UIDVALIDITY, its messages keep their UIDs (S3)."""
        self.doveadm("mailbox", "update", "-u", user, "--uid-validity", str(value), mailbox)

    def make(
        self,
        user: str,
        mailbox: str,
        messages: Iterable[bytes],
        *,
        flags: Iterable[str] | Callable[[int], Iterable[str]] = (),
        received: Callable[[int], float] | None = None,
        new: bool = False,
    ) -> int:
        """Put messages into a mailbox by writing its files, the quickest way for thousands; returns how many.

        The server sees them within a moment and numbers them in this order. `flags` and `received` (INTERNALDATE in
        seconds since 1970) may be asked for each message by its index; keywords count as flags. `new` leaves them
        \\Recent. The server ends lines with CRLF whatever is written here. The mailbox must exist, see `create`;
        INBOX and the special ones always do.
        """
        folder = self._mailbox_folder(user, mailbox)
        self._make_maildir(folder)
        keywords = _Keywords(folder / "dovecot-keywords")
        moment = time.time()
        target = folder / ("new" if new else "cur")
        count = 0
        for index, raw in enumerate(messages):
            names = list(flags(index) if callable(flags) else flags)
            letters = sorted(_MAILDIR_LETTERS[name] for name in names if name in _MAILDIR_LETTERS)
            letters += [keywords.letter(name) for name in names if name not in _MAILDIR_LETTERS]
            virtual = len(raw) + raw.count(b"\n") - raw.count(b"\r\n")
            name = f"{int(moment)}.M{next(self._serial):09d}P{os.getpid()}.test,S={len(raw)},W={virtual}"
            path = folder / "tmp" / name
            path.write_bytes(raw)
            if received is not None:
                when = received(index)
                os.utime(path, (when, when))
            _give_away(path)
            if new:
                path.rename(target / name)
            else:
                path.rename(target / f"{name}:2,{''.join(letters)}")
            count += 1
        keywords.write()
        return count

    def remove_mail(self, user: str) -> None:
        """Delete all of a user's mail and cut their connections."""
        self.kick(user)
        shutil.rmtree(self.home(user), ignore_errors=True)

    def state(self, user: str, *, digest: Callable[[bytes], str] = raw_digest) -> Contents:
        """What the server holds for this user, read over IMAP: mailbox → Counter of (SHA-256, flags with keywords)."""
        return read_contents(self.host, self.port, user, self.password(user), digest=digest)

    def _mailbox_folder(self, user: str, mailbox: str) -> Path:
        home = self.home(user)
        return home if mailbox.upper() == "INBOX" else home / imap_utf7.encode(mailbox).decode("ascii")

    def _make_maildir(self, folder: Path) -> None:
        if (folder / "cur").is_dir():
            return
        missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
        for part in ("tmp", "new", "cur"):
            (folder / part).mkdir(parents=True, exist_ok=True)
            _give_away(folder / part)
        for parent in missing:
            _give_away(parent)

    def _configuration(self, run: Path) -> str:
        users_file = run / "users"
        users_file.write_text("".join(f"{name}:{{PLAIN}}{password}::::::\n" for name, password in self.users.items()))
        # Its auth process is another user than root, and a test may have been started with umask 077.
        users_file.chmod(0o644)
        me = getpass.getuser()
        uid, gid = _mail_owner()
        if os.geteuid() == 0:
            own_users = ""
            anybody = ""
        else:
            own_users = (
                f"default_internal_user = {me}\ndefault_login_user = {me}\ndefault_internal_group = {_group()}\n"
            )
            anybody = "chroot =\n"
        capability = f"imap_capability = {self._capability}\n" if self._capability is not None else ""
        protocols = "imap pop3" if self._pop3 else "imap"
        pop3 = (
            f"""\
service pop3-login {{
  {anybody}inet_listener pop3 {{
    port = {self.pop3_port}
  }}
  inet_listener pop3s {{
    port = {self.pop3_tls_port}
    ssl = yes
  }}
}}"""
            if self._pop3
            else ""
        )
        special = "\n".join(
            f"    mailbox {name} {{\n      auto = subscribe\n      special_use = \\{name}\n    }}"
            for name in self._special
        )
        return f"""\
base_dir = {run}
state_dir = {run}
instance_name = {run.name}
log_path = {self.log_file}
{own_users}{capability}protocols = {protocols}
listen = {self.host}
ssl = yes
ssl_cert = <{self._certificate.certificate}
ssl_key = <{self._certificate.key}
ssl_min_protocol = TLSv1.2
disable_plaintext_auth = no
auth_mechanisms = {self._mechanisms}
auth_failure_delay = 0
auth_verbose = yes
first_valid_uid = 0
first_valid_gid = 0
mail_uid = {uid}
mail_gid = {gid}
mail_fsync = never
mail_max_userip_connections = 1000
mail_location = maildir:~/:LAYOUT=fs
mailbox_list_index = no
maildir_very_dirty_syncs = no
imap_idle_notify_interval = 2 mins
namespace inbox {{
    inbox = yes
    separator = /
{special}
}}
passdb {{
  driver = static
  username_filter = {_TEST_PREFIX}*
  args = password={self.test_password}
}}
passdb {{
  driver = passwd-file
  args = {users_file}
}}
userdb {{
  driver = static
  args = home={run}/mail/%u allow_all_users=yes
}}
service imap-login {{
  {anybody}service_count = 0
  process_min_avail = 1
  client_limit = 1000
  inet_listener imap {{
    port = {self.port}
  }}
  inet_listener imaps {{
    port = {self.tls_port}
    ssl = yes
  }}
}}
{pop3}
service anvil {{
  {anybody}unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service ipc {{
  {anybody}
}}
service stats {{
  {anybody}
}}
{self._extra}
"""


class _Keywords:
    """The file that maps a Maildir's letters a to z to keywords."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names: list[str] = []
        self._changed = False
        if path.exists():
            self._names = [re.sub(r"^\d+ ", "", line) for line in path.read_text().splitlines()]

    def letter(self, keyword: str) -> str:
        if keyword not in self._names:
            self._names.append(keyword)
            self._changed = True
        position = self._names.index(keyword)
        if position >= 26:
            raise ValueError("a Maildir holds at most 26 keywords")
        return chr(ord("a") + position)

    def write(self) -> None:
        if self._changed:
            self._path.write_text("".join(f"{number} {name}\n" for number, name in enumerate(self._names)))
            _give_away(self._path)


def _wait(process: subprocess.Popen[bytes]) -> None:
    """Until it has ended, as it was asked to; it is killed where it does not."""
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def _wait_and_remove(process: subprocess.Popen[bytes] | None, folder: Path | None) -> None:
    if process is not None:
        _wait(process)
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


def _mail_owner() -> tuple[int, int]:
    """User and group of the mail: Dovecot refuses to serve root's."""
    return (65534, 65534) if os.geteuid() == 0 else (os.geteuid(), os.getegid())


def _give_away(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, *_mail_owner())


def _group() -> str:
    import grp

    return grp.getgrgid(os.getegid()).gr_name
