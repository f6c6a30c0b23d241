"""From a configured server to a session that is signed in (T1 to T14)."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

from termmail.model.account import Security, Server
from termmail.model.errors import PasswordRefused, ServerRefused, SignInRefused
from termmail.model.secret import AccessToken, Secret
from termmail.protocols import sasl, tls
from termmail.protocols.arguments import check_argument
from termmail.protocols.mechanism import Mechanism
from termmail.protocols.pop3.core import Core, Timeouts
from termmail.protocols.pop3.hook import announce
from termmail.protocols.pop3.link import Link
from termmail.protocols.pop3.replies import Reply, parse_reply
from termmail.protocols.pop3.session import Pop3Session
from termmail.protocols.redact import Redactor
from termmail.protocols.token_mechanisms import check_token_allowed, no_token_mechanism, token_refused

_MAX_ROUNDS = 10
_MAX_COMMAND = 255
_USUAL_TIMEOUTS = Timeouts()
_TIMESTAMP = re.compile(rb"\+OK[^<]*<[!-;=?-~]+@[!-;=?-~]+>[^<>]*")


def connect(
    server: Server,
    user: str,
    password: Secret,
    *,
    ca_file: str = "",
    proxy: str = "",
    timeouts: Timeouts = _USUAL_TIMEOUTS,
    trace: Callable[[str], None] | None = None,
    on_abort: Callable[[Callable[[], None]], None] | None = None,
) -> Pop3Session:
    """Connect, encrypt as `server.security` says, and sign in with the best mechanism offered: SASL, else USER and PASS, else APOP
    (RFC 1939 §7), that only where the greeting offers it under TLS.

    `trace` gets each line for the log, without secrets. `on_abort` gets, before anything else, a function that from any thread
    ends this call and later the session, as `Pop3Session.abort` does; looking the name up can't be cut short.

    `proxy` is the URL of a proxy to go through, or empty.

    Raises InsecureConnection, SignInRefused, MaildropInUse, SignInTooSoon, ServerRefused (SYS/TEMP and SYS/PERM), ConnectionLost,
    ProtocolViolation, UnsafeArgument, ConfigError, Cancelled.
    """
    check_argument(user, "the user name")
    check_argument(password.reveal(), "the password")
    check_token_allowed(server.host, password, plain=server.security is Security.NONE)
    transport = tls.Transport(server, ca_file=ca_file, proxy=proxy)

    lifeline = tls.Lifeline()
    if on_abort is not None:
        on_abort(lifeline.cut)
    link = Link(transport, timeouts.connect, timeouts.command, lifeline)
    session = Pop3Session(
        link,
        plain=server.security is Security.NONE,
        timeouts=timeouts,
        trace=trace,
        redactor=Redactor(password),
    )
    try:
        _sign_in(session.core, user, password)
    except BaseException:
        session.core.wire.close()
        raise
    return session


def _sign_in(core: Core, user: str, password: Secret) -> None:
    core.capabilities = core.ask_capabilities()
    if core.has("UTF8"):
        core.ordinary("UTF8", core.link.utf8)
    if not _by_sasl(core, user, password):
        _by_password(core, user, password)
    if core.has("PIPELINING"):
        core.ahead.append("CAPA")
    elif core.capabilities:
        core.capabilities = core.ask_capabilities()
    if core.has("LANG"):
        core.ahead.append("LANG en")


def _by_sasl(core: Core, user: str, password: Secret) -> bool:
    """Whether that signed in; False where it was refused before anything of the password was sent, or is not offered."""
    for make in sasl.choose(set(core.capabilities.get("SASL", ())), password):
        mechanism = make(user, password)
        reply = _authenticate(core, mechanism)
        if reply.ok:
            return True
        if mechanism.proved or reply.is_no_verdict:
            raise _refused(core, user, reply, mechanism)
    if isinstance(password, AccessToken):
        raise no_token_mechanism(core.host)
    return False


def _by_password(core: Core, user: str, password: Secret) -> None:
    """USER and PASS; APOP only where that is not to be had, since many servers that greet with a timestamp refuse it, and the
    password is tried once."""
    stamped = not core.plain and _TIMESTAMP.fullmatch(core.link.welcome) is not None
    if core.has("USER") or not core.capabilities or not stamped:
        reply = core.ordinary("USER", lambda: core.link.user(user))
        if reply.ok:
            reply = core.ordinary("PASS", lambda: core.link.pass_(password.reveal()))
            if not reply.ok:
                raise _refused(core, user, reply)
            return
        if not stamped or reply.code:
            raise _refused(core, user, reply, named=True)
    reply = core.ordinary("APOP", lambda: core.link.apop(user, password.reveal()))
    if not reply.ok:
        raise _refused(core, user, reply)


def _authenticate(core: Core, mechanism: Mechanism) -> Reply:
    """One AUTH (RFC 5034); returns how it ended.

    Raises ProtocolViolation where the server claims success too early (T10), SignInRefused where it can't prove itself (T12).
    """
    core.expect_silence()
    announce("AUTH", "before")
    core.trace(f"C: AUTH {mechanism.name} …")
    initial = mechanism.initial
    line = b"AUTH " + mechanism.name.encode("ascii")
    initial_sent = initial is None
    if initial is not None:
        with_it = line + b" " + (base64.b64encode(initial) or b"=")
        if len(with_it) + 2 <= _MAX_COMMAND:
            line, initial_sent = with_it, True
    core.wire.send(line + b"\r\n")
    for turn in range(_MAX_ROUNDS):
        answer = core.wire.read_line()
        reply = parse_reply(answer)
        if reply is not None:
            announce("AUTH", "after")
            core.trace("S: " + ("+OK" if reply.ok else "-ERR"))
            if reply.ok and not (initial_sent and mechanism.finished):
                raise core.violation("says that the sign-in succeeded before it was complete")
            return reply
        if answer[:1] != b"+" or answer[1:2] not in (b" ", b""):
            raise core.violation("gave an answer to AUTH that can't be read")
        if initial is not None and turn == 0 and not (initial_sent and answer[2:].strip()):
            # An empty challenge after it comes from a server that takes no response in the command itself.
            response, initial_sent = base64.b64encode(initial), True
        else:
            response = sasl.response_to(answer[2:], mechanism, core.wire, core.host)
        core.wire.send(response + b"\r\n")
    raise core.violation("never comes to an end with the sign-in")


def _refused(
    core: Core, user: str, reply: Reply, mechanism: Mechanism | None = None, *, named: bool = False
) -> SignInRefused | ServerRefused:
    """A wrong password, unless the server says otherwise (RFC 2449, RFC 3206)."""
    if reply.is_no_verdict or (core.has("AUTH-RESP-CODE") and not reply.has_code("AUTH")):
        return core.refusal(reply, "to sign anybody in")
    words = core.server_words(reply.text)
    if mechanism is not None and (refused := token_refused(core.host, user, mechanism, words, reply.code)) is not None:
        return refused
    if named:
        return SignInRefused(
            f"{core.host} refused the user name {user}{words}. Check it, or ask whoever runs the server how to sign in.",
            detail=reply.code,
        )
    return PasswordRefused(f"{core.host} refused the password for {user}{words}.", detail=reply.code)
