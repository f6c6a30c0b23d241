"""Sockets and TLS, the same for every protocol (T1 to T3)."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl

from termmail.model.account import Security, Server
from termmail.model.errors import ConfigError, ConnectionLost, InsecureConnection

_EXPIRED = 10
_NOT_YET_VALID = 9
_SELF_SIGNED = {18, 19}
_WRONG_HOST = {62, 64}


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


def check_plain_allowed(server: Server) -> None:
    """Raises InsecureConnection where `server` is to be used without TLS and is not this machine (T1)."""
    if server.security is Security.NONE and not _is_loopback_name(server.host):
        raise InsecureConnection(
            f"{server.host} is set up without encryption, which is allowed for this computer only. Nothing was sent. "
            "Choose tls or starttls."
        )


def open_socket(server: Server, seconds: float) -> socket.socket:
    """A TCP connection. Raises ConnectionLost, or InsecureConnection where a plain one would leave this machine."""
    check_plain_allowed(server)
    try:
        connection = socket.create_connection((server.host, server.port), timeout=seconds)
    except (OSError, UnicodeError) as error:
        raise ConnectionLost(_unreachable(server, error), detail=f"{type(error).__name__}: {error}") from error
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = connection.getpeername()[0]
    except OSError as error:
        connection.close()
        raise ConnectionLost(_unreachable(server, error), detail=str(error)) from error
    if server.security is Security.NONE and not ipaddress.ip_address(peer.partition("%")[0]).is_loopback:
        connection.close()
        raise InsecureConnection(f"{server.host} is not this computer, so nothing was sent without encryption.")
    return connection


def secure_socket(connection: socket.socket, context: ssl.SSLContext, host: str) -> ssl.SSLSocket:
    """Shake hands over an open connection, which is closed where that fails.

    Raises InsecureConnection for a certificate or a TLS version that won't do, ConnectionLost where the network failed.
    """
    try:
        return context.wrap_socket(connection, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        _close(connection)
        raise InsecureConnection(_certificate(host, error), detail=str(error)) from error
    except ssl.SSLEOFError as error:
        _close(connection)
        raise ConnectionLost(f"{host} ended the connection while encryption was set up.", detail=str(error)) from error
    except ssl.SSLError as error:
        _close(connection)
        raise InsecureConnection(
            f"No encrypted connection with {host} could be made, so nothing was sent. Check the port and whether it "
            "expects tls or starttls.",
            detail=str(error),
        ) from error
    except (OSError, ValueError) as error:
        _close(connection)
        raise ConnectionLost(
            f"{host} ended the connection while encryption was set up.", detail=f"{type(error).__name__}: {error}"
        ) from error


def _close(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.close()


def _is_loopback_name(host: str) -> bool:
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _unreachable(server: Server, error: Exception) -> str:
    if isinstance(error, socket.gaierror | UnicodeError):
        return f"{server.host} was not found. Check the server's name, or whether there is a network."
    if isinstance(error, TimeoutError):
        return f"{server.host} does not answer on port {server.port}. Check the port, or whether there is a network."
    if isinstance(error, ConnectionRefusedError):
        return f"{server.host} takes no connections on port {server.port}. Check the port."
    return f"{server.host} can't be reached. Check whether there is a network."


def _certificate(host: str, error: ssl.SSLCertVerificationError) -> str:
    code = error.verify_code
    if code == _EXPIRED:
        what = "has expired", "Tell whoever runs the server, or check this computer's clock"
    elif code == _NOT_YET_VALID:
        what = "is not valid yet", "Check this computer's clock"
    elif code in _WRONG_HOST:
        what = "is for another host", "Check the server's name"
    elif code in _SELF_SIGNED:
        what = "is signed by itself or by an unknown authority", "If it is your own, give its authority as ca_file"
    else:
        what = "is not signed by an authority this computer trusts", "If it is your own, give its authority as ca_file"
    return f"The certificate of {host} {what[0]}, so nothing was sent. {what[1]}."
