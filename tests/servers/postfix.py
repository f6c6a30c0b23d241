"""Postfix from the operating system's packages as a submission server, run from a temporary folder on free loopback ports."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

from servers.ports import free_ports, wait_for_greeting
from servers.tls import Certificate

REFUSED = "nobody@else.example"
"""A recipient that it refuses."""
SIZE_LIMIT = 2_000_000
MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256")

_SERVICES = (
    ("cleanup", "n", "0"), ("qmgr", "n", "1"), ("rewrite", "-", "-"), ("bounce", "-", "0"), ("defer", "-", "0"), ("trace", "-", "0"),
    ("verify", "-", "1"), ("proxymap", "-", "-"), ("smtp", "-", "-"), ("error", "-", "-"), ("retry", "-", "-"), ("anvil", "-", "1"),
    ("scache", "-", "1"), ("tlsmgr", "-", "1"),
)  # fmt: skip
_PROGRAMS = {"rewrite": "trivial-rewrite", "defer": "bounce", "trace": "bounce", "retry": "error"}


def find_postfix() -> str | None:
    """The path of the postfix program, or None. Its master runs as root only."""
    return shutil.which("postfix", path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/usr/local/sbin")


class Postfix:
    """A context manager: STARTTLS at `port`, implicit TLS at `tls_port`, sign-in by a Dovecot's auth service, and everything on to a
    relay. `only` has a port with STARTTLS for each of MECHANISMS, where no other is offered. `extra` is appended to main.cf. Raises
    RuntimeError with what it said where it does not start."""

    host = "127.0.0.1"

    def __init__(self, *, certificate: Certificate, auth_port: int, relay_port: int, extra: str = "") -> None:
        self.port, self.tls_port, *ports = free_ports(2 + len(MECHANISMS))
        self.only = dict(zip(MECHANISMS, ports, strict=True))
        self._certificate = certificate
        self._auth_port = auth_port
        self._relay_port = relay_port
        self._extra = extra
        self.folder = Path(tempfile.mkdtemp(prefix="tm-postfix-"))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Postfix:
        program = find_postfix()
        assert program is not None
        self.folder.chmod(0o755)
        config = self.folder / "config"
        for name in ("config", "queue", "data"):
            (self.folder / name).mkdir(mode=0o755)
        shutil.chown(self.folder / "data", "postfix")
        # Its own user reads them, from a folder that is not pytest's.
        for name, source in (("cert.pem", self._certificate.certificate), ("key.pem", self._certificate.key)):
            (config / name).write_bytes(source.read_bytes())
        (config / "main.cf").write_text(self._main(config))
        (config / "master.cf").write_text(self._master())
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [program, "-c", str(config), "start-fg"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if not wait_for_greeting(self.port, 60):
            text = self.log_text()
            self.close()
            raise RuntimeError(f"Postfix did not greet on port {self.port}:\n{text}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def log_text(self) -> str:
        """Everything it said."""
        return (self.folder / "log").read_text(errors="replace")

    def close(self) -> None:
        """End it and remove its folder."""
        process, self._process = self._process, None
        if process is not None:
            self._end(process)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        # Its master leads a session of its own: a signal to the program that was started would end only the shell around it.
        try:
            master = int((self.folder / "queue/pid/master.pid").read_text())
        except (OSError, ValueError):
            process.terminate()
            process.wait(10)
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(master, signal.SIGTERM)
        try:
            process.wait(10)
        finally:
            # Its logger does not end on SIGTERM.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(master, signal.SIGKILL)

    def _main(self, config: Path) -> str:
        return f"""\
compatibility_level = 3.6
queue_directory = {self.folder}/queue
data_directory = {self.folder}/data
maillog_file = /dev/stdout
myhostname = mx.demo.example
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks =
disable_dns_lookups = yes
smtp_host_lookup = native
relayhost = [127.0.0.1]:{self._relay_port}
alias_maps =
alias_database =
message_size_limit = {SIZE_LIMIT}
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{self._auth_port}
smtpd_sasl_security_options = noanonymous
smtpd_tls_cert_file = {config}/cert.pem
smtpd_tls_key_file = {config}/key.pem
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions =
    check_recipient_access inline:{{ {{ {REFUSED} = 550 5.1.1 there is nobody }} }}, permit_sasl_authenticated, reject
smtpd_peername_lookup = no
{self._extra}
"""

    def _master(self) -> str:
        lines = [
            f"127.0.0.1:{self.port} inet n - n - - smtpd",
            f"127.0.0.1:{self.tls_port} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes",
            *(
                f"127.0.0.1:{port} inet n - n - - smtpd -o smtpd_sasl_mechanism_filter={name}"
                for name, port in self.only.items()
            ),
            "postlog unix-dgram n - n - 1 postlogd",
        ]
        lines += [
            f"{name} unix {private} - n {'300' if name == 'qmgr' else '-'} {limit} {_PROGRAMS.get(name, name)}"
            for name, private, limit in _SERVICES
        ]
        return "\n".join(lines) + "\n"
