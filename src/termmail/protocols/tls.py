"""Sockets and TLS, the same for every protocol (T1 to T3)."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import ipaddress
import socket
import ssl
import threading
import time

from termmail.model.account import Security, Server
from termmail.model.errors import (
    Advice,
    Cancelled,
    CertificateRefused,
    ConfigError,
    ConnectionLost,
    InsecureConnection,
    Unreachable,
)
from termmail.model.hosts import is_loopback
from termmail.model.proxy import parse_proxy

_EXPIRED = 10
_NOT_YET_VALID = 9
_SELF_SIGNED_ALONE = 18
_SELF_SIGNED = {_SELF_SIGNED_ALONE, 19}
_WRONG_HOST = {62, 64}
_OWN_AUTHORITY = Advice("If it is your own, give the account the file of its authority.", "--ca-file PEM")


def client_context(ca_file: str = "") -> ssl.SSLContext:
    """TLS 1.2 at least, certificates verified against the system's authorities and the one in the PEM file `ca_file`, the
    host against the subject's alternative names alone. Raises ConfigError where the file is unusable."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    if ca_file:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"The authority file {ca_file} can't be read. Give ca_file the path of a PEM file with the certificate.",
                detail=str(error),
            ) from error
    return context


def pinning_context() -> ssl.SSLContext:
    """TLS 1.2 at least, for a server whose certificate is compared with a pinned one by `secure_socket` instead of being verified."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Transport:
    """How to get to one server: directly or through a proxy, and with which certificates.

    Raises ConfigError where `ca_file` is unusable, InsecureConnection where `server` would be spoken to without TLS and is not this
    machine. `proxy` is a URL or empty; this machine is always reached directly. `context` is for who looks at a certificate that
    is not trusted, and `reach` for connecting to another place than `server` says.
    """

    def __init__(
        self,
        server: Server,
        *,
        ca_file: str = "",
        proxy: str = "",
        context: ssl.SSLContext | None = None,
        reach: tuple[str, int] | None = None,
    ) -> None:
        check_plain_allowed(server)
        self.server = server
        host, port = reach or (server.host, server.port)
        self._place = Server(host, port, server.security)
        self._proxy = "" if is_loopback(host) else proxy
        self._context = context
        if context is None and server.security is not Security.NONE:
            self._context = pinning_context() if server.pin_sha256 else client_context(ca_file)

    def open(self, seconds: float, lifeline: Lifeline) -> socket.socket:
        """A connection within so many seconds. Raises ConnectionLost, Cancelled, InsecureConnection, ConfigError."""
        if not self._proxy:
            return open_socket(self._place, seconds, lifeline)
        proxy = parse_proxy(self._proxy)
        if proxy is None:
            raise ConfigError("The proxy is not a URL such as socks5://127.0.0.1:1080.")
        from termmail.protocols.proxy import open_through

        return open_through(proxy, self._place, seconds, lifeline)

    def secure(self, connection: socket.socket, seconds: float, lifeline: Lifeline) -> ssl.SSLSocket:
        """Shake hands, as `secure_socket`; a pinned certificate counts instead of all that makes one good otherwise.

        Raises as that, and CertificateRefused.
        """
        if self._context is None:
            raise ValueError("TLS needs a context")
        secured = secure_socket(connection, self._context, self.server.host, seconds, lifeline)
        if self.server.pin_sha256:
            shown = certificate_sha256(secured.getpeercert(binary_form=True) or b"")
            if not hmac.compare_digest(shown, self.server.pin_sha256):
                lifeline.close()
                raise CertificateRefused(
                    f"The certificate of {self.server.host} is not the one that was pinned, so nothing was sent. Its fingerprint"
                    f" (SHA-256) is {shown}. If whoever runs the server has changed it, pin that one, or none.",
                    detail=f"pinned {self.server.pin_sha256}",
                )
        return secured


def certificate_sha256(der: bytes) -> str:
    """A certificate's fingerprint: SHA-256 of its DER form, lower-case hex."""
    return hashlib.sha256(der).hexdigest()


def check_plain_allowed(server: Server) -> None:
    """Raises InsecureConnection where `server` is to be used without TLS and is not this machine (T1)."""
    if server.security is Security.NONE and not is_loopback(server.host):
        raise InsecureConnection(
            f"{server.host} is set up without encryption, which is allowed for this computer only. Nothing was sent. "
            "Choose tls or starttls."
        )


class Lifeline:
    """Lets another thread end whatever a connection waits for, from before it is made until it is closed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._cut = False

    @property
    def is_cut(self) -> bool:
        return self._cut

    def hold(self, connection: socket.socket) -> None:
        """This is the socket to end. Raises Cancelled where it should have ended already."""
        with self._lock:
            self._socket = connection
            if self._cut:
                connection.close()
                raise Cancelled("Stopped.")

    def cut(self) -> None:
        """From any thread: what waits for the socket returns at once."""
        with self._lock:
            self._cut = True
            if self._socket is not None:
                # Not SSLSocket.shutdown, which takes the TLS object away from the thread that reads with it.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket; never raises."""
        with self._lock:
            connection, self._socket = self._socket, None
            if connection is not None:
                with contextlib.suppress(OSError):
                    connection.close()


def open_socket(server: Server, seconds: float, lifeline: Lifeline) -> socket.socket:
    """A TCP connection within so many seconds. Raises ConnectionLost, Cancelled, or InsecureConnection where a plain one would
    leave this machine."""
    check_plain_allowed(server)
    try:
        connection = open_tcp(server.host, server.port, seconds, lifeline)
        peer = str(connection.getpeername()[0])
    except (OSError, UnicodeError) as error:
        lifeline.close()
        # It may have been cut between the two calls.
        if lifeline.is_cut:
            raise Cancelled("Stopped.") from error
        unknown = isinstance(error, socket.gaierror | UnicodeError)
        raise Unreachable(
            _unreachable(server, error), name_unknown=unknown, detail=f"{type(error).__name__}: {error}"
        ) from error
    if server.security is Security.NONE and not ipaddress.ip_address(peer.partition("%")[0]).is_loopback:
        lifeline.close()
        raise InsecureConnection(f"{server.host} is not this computer, so nothing was sent without encryption.")
    return connection


def open_tcp(host: str, port: int, seconds: float, lifeline: Lifeline) -> socket.socket:
    """A TCP connection to the first address of a host that takes it. Raises OSError, UnicodeError, Cancelled."""
    deadline = time.monotonic() + seconds
    failure: OSError = TimeoutError("no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        try:
            connection = socket.socket(family, kind, protocol)
        except OSError as error:
            failure = error
            continue
        lifeline.hold(connection)
        try:
            connection.settimeout(max(1.0, deadline - time.monotonic()))
            connection.connect(address)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            lifeline.close()
            if lifeline.is_cut:
                raise Cancelled("Stopped.") from error
            failure = error
            continue
        return connection
    raise failure


def secure_socket(
    connection: socket.socket, context: ssl.SSLContext, host: str, seconds: float, lifeline: Lifeline
) -> ssl.SSLSocket:
    """Shake hands over an open connection within so many seconds; the connection is closed where that fails.

    Raises InsecureConnection for a certificate or a TLS version that won't do, ConnectionLost where the network failed,
    Cancelled.
    """
    try:
        connection.settimeout(max(0.1, seconds))
        secured = context.wrap_socket(connection, server_hostname=host, do_handshake_on_connect=False)
        lifeline.hold(secured)
        secured.do_handshake()
    except ssl.SSLCertVerificationError as error:
        lifeline.close()
        alone = error.verify_code == _SELF_SIGNED_ALONE
        happened, advice = _certificate(host, error)
        raise CertificateRefused(
            f"{happened}, so nothing was sent. {advice.sentence}",
            self_signed=alone,
            command=advice.command,
            detail=str(error),
        ) from error
    except (OSError, ValueError) as error:
        lifeline.close()
        if lifeline.is_cut:
            raise Cancelled("Stopped.") from error
        detail = f"{type(error).__name__}: {error}"
        if isinstance(error, TimeoutError):
            raise ConnectionLost(
                f"{host} did not answer in time while encryption was set up.", detail=detail
            ) from error
        if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
            raise InsecureConnection(
                f"No encrypted connection with {host} could be made, so nothing was sent. Check the port and whether it "
                "expects tls or starttls.",
                detail=detail,
            ) from error
        raise ConnectionLost(f"{host} ended the connection while encryption was set up.", detail=detail) from error
    return secured


def _unreachable(server: Server, error: Exception) -> str:
    if isinstance(error, socket.gaierror | UnicodeError):
        return f"{server.host} was not found. Check the server's name, or whether there is a network."
    if isinstance(error, TimeoutError):
        return f"{server.host} does not answer on port {server.port}. Check the port, or whether there is a network."
    if isinstance(error, ConnectionRefusedError):
        return f"{server.host} takes no connections on port {server.port}. Check the port, or try again when the server is up."
    return f"{server.host} can't be reached. Check whether there is a network."


def _certificate(host: str, error: ssl.SSLCertVerificationError) -> tuple[str, Advice]:
    """What is wrong with a certificate, and what to do."""
    code = error.verify_code
    if code == _EXPIRED:
        what, advice = "has expired", Advice("Tell whoever runs the server, or check this computer's clock.")
    elif code == _NOT_YET_VALID:
        what, advice = "is not valid yet", Advice("Check this computer's clock.")
    elif code in _WRONG_HOST:
        what, advice = "is for another host", Advice("Check the server's name.")
    elif code in _SELF_SIGNED:
        what, advice = "is signed by itself or by an unknown authority", _OWN_AUTHORITY
    else:
        what, advice = "is not signed by an authority this computer trusts", _OWN_AUTHORITY
    return f"The certificate of {host} {what}", advice
