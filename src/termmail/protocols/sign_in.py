"""What signing in has in common for all protocols: what is checked before anybody connects, SASL's exchange (RFC 4422), refusals."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Protocol, TypeVar

from termmail.model.account import Security, Server
from termmail.model.errors import (
    InsecureConnection,
    PasswordRefused,
    ProtocolViolation,
    Retry,
    SignInRefused,
    TokenRefused,
)
from termmail.model.secret import AccessToken, Secret
from termmail.protocols.arguments import check_argument
from termmail.protocols.mechanism import BadChallenge, Mechanism
from termmail.protocols.tls import Lifeline, Transport
from termmail.protocols.token_mechanisms import token_refused
from termmail.protocols.wire import Wire

_MAX_ROUNDS = 10


class Reply(Protocol):
    """How an exchange ended."""

    @property
    def ok(self) -> bool: ...


ReplyT = TypeVar("ReplyT", bound=Reply)


class Channel(Protocol):
    """The connection that signs in. `violation` closes it and gives the error to raise."""

    host: str
    wire: Wire

    def violation(self, what: str) -> ProtocolViolation: ...


def prepare(
    server: Server,
    user: str,
    password: Secret,
    *,
    ca_file: str,
    proxy: str,
    on_abort: Callable[[Callable[[], None]], None] | None,
) -> tuple[Transport, Lifeline]:
    """How to get to the server, and what ends the connection from any thread, which `on_abort` is given.

    Raises UnsafeArgument, ConfigError, and InsecureConnection where it would not be encrypted but goes to another machine, or has to
    be because a token would be sent, be it on this computer (T12).
    """
    check_argument(user, "the user name")
    check_argument(password.reveal(), "the password")
    if server.security is Security.NONE and isinstance(password, AccessToken):
        raise InsecureConnection(
            f"The connection to {server.host} is not encrypted, and an OAuth 2 sign-in is for encrypted ones only. Nothing was sent."
            " Choose tls or starttls."
        )
    transport = Transport(server, ca_file=ca_file, proxy=proxy)
    lifeline = Lifeline()
    if on_abort is not None:
        on_abort(lifeline.cut)
    return transport, lifeline


def auth_command(mechanism: Mechanism, longest: int) -> tuple[bytes, bool]:
    """The line of AUTH without its end (RFC 4954 §4, RFC 5034 §4), and whether nothing of the first response is left to send: it goes
    along where the line and its end fit into `longest` bytes."""
    line = b"AUTH " + mechanism.name.encode("ascii")
    if mechanism.initial is None:
        return line, True
    with_it = line + b" " + (base64.b64encode(mechanism.initial) or b"=")
    return (with_it, True) if len(with_it) + 2 <= longest else (line, False)


def exchange(
    channel: Channel, mechanism: Mechanism, read: Callable[[], bytes | ReplyT], *, initial_sent: bool
) -> ReplyT:
    """Challenges and responses, after the command; returns how it ended. `read` gives the next challenge, in base64, or the end.

    Raises ProtocolViolation where the server claims success too early (T10), SignInRefused where it can't prove itself (T12).
    """
    initial = mechanism.initial
    for turn in range(_MAX_ROUNDS):
        answer = read()
        if not isinstance(answer, bytes):
            if answer.ok and not (initial_sent and mechanism.finished):
                raise channel.violation("says that the sign-in succeeded before it was complete")
            return answer
        if initial is not None and turn == 0 and not (initial_sent and answer.strip()):
            # An empty challenge after it comes from a server that takes no response in the command itself.
            response, initial_sent = base64.b64encode(initial), True
        else:
            response = _response_to(answer, mechanism, channel)
        channel.wire.send(response + b"\r\n")
    raise channel.violation("never comes to an end with the sign-in")


def _response_to(challenge: bytes, mechanism: Mechanism, channel: Channel) -> bytes:
    """Both in base64. Raises SignInRefused, and then the connection is closed.

    It goes rather than another mechanism being tried: who can't prove itself must not get the password (T12).
    """
    try:
        response = mechanism.respond(base64.b64decode(challenge.strip(), validate=True))
    except (BadChallenge, binascii.Error) as error:
        channel.wire.close()
        raise SignInRefused(
            f"{channel.host} failed the sign-in with {mechanism.name}: it could not prove that it knows the password, or asked "
            "for something odd. Check the server's name.",
            detail=str(error),
        ) from error
    return base64.b64encode(response)


def no_mechanism(host: str, password: Secret) -> SignInRefused:
    """The error where a server offers no way to sign in with such a secret."""
    if isinstance(password, AccessToken):
        return SignInRefused(
            f"{host} offers no sign-in by OAuth 2. Use a password for it, or ask whoever runs the server."
        )
    return SignInRefused(
        f"{host} offers no way to sign in that termmail knows. Ask whoever runs it for PLAIN or SCRAM-SHA-256."
    )


def not_now(host: str, words: str, detail: str) -> SignInRefused:
    """The error where a server can't sign anybody in for a while. `words` are its own, for the end of a sentence."""
    return SignInRefused(
        f"{host} can't sign anybody in at the moment{words}. It is tried again.", retry=Retry.LATER, detail=detail
    )


def refused(
    host: str, user: str, mechanism: Mechanism | None, words: str, detail: str
) -> PasswordRefused | TokenRefused:
    """The error where a server refused the secret. `mechanism` is None where it was sent without one, `words` as for `not_now`."""
    if mechanism is not None and (of_token := token_refused(host, user, mechanism, words, detail)) is not None:
        return of_token
    return PasswordRefused(f"{host} refused the password for {user}{words}.", detail=detail)
