"""What answers at a port, before anybody signs in: which service, with which kind of TLS, with which certificate.

No secret is ever sent from here.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from typing import Any

import msgspec

from termmail.mime.safe_text import safe_text
from termmail.model.account import Security, Server
from termmail.model.errors import ConnectionLost, InsecureConnection, ProtocolViolation
from termmail.model.setup import SeenCertificate
from termmail.protocols import tls
from termmail.protocols.wire import Wire, open_wire

Service = str
"""imap, pop3 or smtp."""

_MAX_LINES = 200
_GREETINGS = (
    (re.compile(rb"\* (OK|PREAUTH|BYE)", re.IGNORECASE), "imap"),
    (re.compile(rb"\+OK|-ERR", re.IGNORECASE), "pop3"),
    (re.compile(rb"[245][0-9][0-9][ -].*\bFTP\b", re.IGNORECASE), "ftp"),
    (re.compile(rb"[245][0-9][0-9](?:[ -]|$)"), "smtp"),
    (re.compile(rb"SSH-"), "ssh"),
    (re.compile(rb"HTTP/"), "http"),
    (re.compile(rb'"IMPLEMENTATION"', re.IGNORECASE), "managesieve"),
)
_REFUSALS = re.compile(rb"\* BYE|-ERR|[45][0-9][0-9](?:[ -]|$)", re.IGNORECASE)
_NOT_A_WORD = re.compile(rb"[^A-Za-z0-9=+_./-]")


class Look(msgspec.Struct, frozen=True):
    """What was found. `speaks` is the service that answered, or empty for one that is not known; where it is not the one that was
    looked for, nothing else is. `words` are what it can do, in capitals."""

    speaks: str
    words: frozenset[str] = frozenset()


class Probe:
    """Looks at one server of a kind. `reach` is where to connect to instead of what `server` says, `seconds` a limit for each
    connection. `on_abort` gets a function that ends what is under way from any thread."""

    def __init__(
        self,
        service: Service,
        server: Server,
        *,
        ca_file: str = "",
        proxy: str = "",
        reach: tuple[str, int] | None = None,
        seconds: float = 10.0,
        on_abort: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self._service = service
        self._server = server
        self._ca_file = ca_file
        self._proxy = proxy
        self._reach = reach
        self._seconds = seconds
        # For all connections, one after the other.
        self._lifeline = tls.Lifeline()
        if on_abort is not None:
            on_abort(self._lifeline.cut)

    def look(self) -> Look:
        """Connect, encrypt as the server's security says, and ask what it can. Raises CertificateRefused, InsecureConnection,
        ConnectionLost, ProtocolViolation, ConfigError, Cancelled."""
        wire, speaks = self._connect(None)
        try:
            if not speaks:
                speaks = _service_of(wire.read_line(), wire)
            if speaks != self._service:
                return Look(speaks)
            look = Look(speaks, self._ask(wire))
            # Who hangs up without a word is taken for a scanner by some servers.
            wire.send(b"a3 LOGOUT\r\n" if self._service == "imap" else b"QUIT\r\n")
            return look
        finally:
            wire.close()

    def certificate(self) -> SeenCertificate | None:
        """The server's certificate, which is not trusted; None where it can't be seen. Raises ConfigError, Cancelled."""
        der = self._peer_certificate(tls.pinning_context())
        if not der:
            return None
        alone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        alone.hostname_checks_common_name = False
        alone.load_verify_locations(cadata=der)
        described: dict[str, Any] = {}
        # With nobody but itself to vouch for it, it has to be good in every other way: in its time, and for this host.
        pinnable = self._peer_certificate(alone, described) == der
        return SeenCertificate(
            tls.certificate_sha256(der),
            _subject(described),
            _seconds(described, "notBefore"),
            _seconds(described, "notAfter"),
            pinnable,
        )

    def _peer_certificate(self, context: ssl.SSLContext, described: dict[str, Any] | None = None) -> bytes:
        """The certificate in DER; empty where there was no handshake. `described` takes what Python tells of a verified one."""
        try:
            wire, _ = self._connect(context)
        except (InsecureConnection, ConnectionLost, ProtocolViolation):
            return b""
        try:
            if not isinstance(wire.socket, ssl.SSLSocket):
                return b""
            if described is not None:
                described.update(wire.socket.getpeercert() or {})
            return wire.socket.getpeercert(binary_form=True) or b""
        finally:
            wire.close()

    def _connect(self, context: ssl.SSLContext | None) -> tuple[Wire, str]:
        """A connection, encrypted as it is to be, and which service has greeted already: only with STARTTLS one has."""
        transport = tls.Transport(
            self._server, ca_file=self._ca_file, proxy=self._proxy, context=context, reach=self._reach
        )
        wire = open_wire(transport, self._seconds, self._lifeline)
        if self._server.security is not Security.STARTTLS:
            return wire, ""
        try:
            speaks = _service_of(wire.read_line(), wire)
            if speaks != self._service:
                return wire, speaks
            self._start_tls(wire)
            wire.secure(transport)
        except BaseException:
            wire.close()
            raise
        return wire, speaks

    def _start_tls(self, wire: Wire) -> None:
        if self._service == "imap":
            ok = self._command(wire, b"a1 STARTTLS", _until_tag).split(b"\n")[-1].upper().startswith(b"A1 OK")
        elif self._service == "pop3":
            ok = self._command(wire, b"STLS", _one_line).startswith(b"+OK")
        else:
            self._command(wire, b"EHLO [127.0.0.1]", _smtp_reply)
            ok = self._command(wire, b"STARTTLS", _smtp_reply).startswith(b"220")
        if not ok:
            raise InsecureConnection(
                f"{self._server.host} refuses encryption (STARTTLS) on port {self._server.port}. Use tls, or tell whoever runs the"
                " server."
            )

    def _ask(self, wire: Wire) -> frozenset[str]:
        if self._service == "imap":
            answer = self._command(wire, b"a2 CAPABILITY", _until_tag)
            line = next((line for line in answer.split(b"\n") if line.upper().startswith(b"* CAPABILITY ")), b"")
            words = line.split()[2:]
        elif self._service == "pop3":
            answer = self._command(wire, b"CAPA", _pop3_lines)
            words = [word for line in answer.split(b"\n")[1:] for word in _with_first(line)]
        else:
            answer = self._command(wire, b"EHLO [127.0.0.1]", _smtp_reply)
            words = [word for line in answer.split(b"\n")[1:] for word in _with_first(line[4:])]
        return frozenset(_NOT_A_WORD.sub(b"", word)[:60].decode("ascii").upper() for word in words[:_MAX_LINES])

    def _command(self, wire: Wire, line: bytes, read: Callable[[Wire], bytes]) -> bytes:
        wire.send(line + b"\r\n")
        return read(wire)


def service_named(greeting: bytes) -> str:
    """The service that greets with such a line, or empty where it is none that is known."""
    return next((service for pattern, service in _GREETINGS if pattern.match(greeting)), "")


def _service_of(greeting: bytes, wire: Wire) -> str:
    """Raises ConnectionLost where the service greets with a refusal."""
    service = service_named(greeting)
    if _REFUSALS.match(greeting):
        raise ConnectionLost(f"{wire.host} takes no connections at the moment. It is tried again.")
    if service == "smtp":
        while greeting[3:4] == b"-":
            greeting = wire.read_line()
    return service


def _one_line(wire: Wire) -> bytes:
    return wire.read_line()


def _until_tag(wire: Wire) -> bytes:
    lines = []
    for _ in range(_MAX_LINES):
        lines.append(wire.read_line())
        if re.match(rb"a[12] ", lines[-1]):
            break
    return b"\n".join(lines)


def _smtp_reply(wire: Wire) -> bytes:
    lines = []
    for _ in range(_MAX_LINES):
        lines.append(wire.read_line())
        if lines[-1][3:4] != b"-":
            break
    return b"\n".join(lines)


def _pop3_lines(wire: Wire) -> bytes:
    lines = [wire.read_line()]
    while lines[0].startswith(b"+OK") and len(lines) < _MAX_LINES:
        line = wire.read_line()
        if line == b".":
            break
        lines.append(line)
    return b"\n".join(lines)


def _with_first(line: bytes) -> list[bytes]:
    """`AUTH PLAIN LOGIN` as AUTH, AUTH=PLAIN, AUTH=LOGIN, as IMAP puts it."""
    first, *rest = line.split() or [b""]
    return [first, *(first + b"=" + word for word in rest)] if first else []


def _subject(described: dict[str, Any]) -> str:
    names = dict(pair for part in described.get("subject", ()) for pair in part)
    return safe_text(names.get("commonName", ""), one_line=True)


def _seconds(described: dict[str, Any], key: str) -> float:
    return float(ssl.cert_time_to_seconds(described[key])) if key in described else 0.0
