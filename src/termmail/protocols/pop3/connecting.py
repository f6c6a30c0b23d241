"""From a configured server to a session that is signed in (T1 to T14)."""

from __future__ import annotations

import re
from collections.abc import Callable

from termmail.model.account import Security, Server
from termmail.model.errors import ServerRefused, SignInRefused
from termmail.model.secret import AccessToken, Secret
from termmail.protocols import sasl, sign_in
from termmail.protocols.hook import announce
from termmail.protocols.mechanism import Mechanism
from termmail.protocols.pop3.core import Core, Timeouts
from termmail.protocols.pop3.link import Link
from termmail.protocols.pop3.replies import Reply, parse_reply
from termmail.protocols.pop3.session import Pop3Session
from termmail.protocols.redact import Redactor

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
    transport, lifeline = sign_in.prepare(server, user, password, ca_file=ca_file, proxy=proxy, on_abort=on_abort)
    link = Link(transport, timeouts.connect, timeouts.command, lifeline)
    core = Core(
        link,
        plain=server.security is Security.NONE,
        timeouts=timeouts,
        trace=trace,
        redactor=Redactor(password),
    )
    try:
        _sign_in(core, user, password)
    except BaseException:
        core.wire.close()
        raise
    return Pop3Session(core)


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
        raise sign_in.no_mechanism(core.host, password)
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
    line, initial_sent = sign_in.auth_command(mechanism, _MAX_COMMAND)
    core.wire.send(line + b"\r\n")

    def read() -> bytes | Reply:
        answer = core.wire.read_line()
        reply = parse_reply(answer)
        if reply is not None:
            announce("AUTH", "after")
            core.trace("S: " + ("+OK" if reply.ok else "-ERR"))
            return reply
        if answer[:1] != b"+" or answer[1:2] not in (b" ", b""):
            raise core.violation("gave an answer to AUTH that can't be read")
        return answer[2:]

    return sign_in.exchange(core, mechanism, read, initial_sent=initial_sent)


def _refused(
    core: Core, user: str, reply: Reply, mechanism: Mechanism | None = None, *, named: bool = False
) -> SignInRefused | ServerRefused:
    """A wrong password, unless the server says otherwise (RFC 2449, RFC 3206)."""
    if reply.is_no_verdict or (core.has("AUTH-RESP-CODE") and not reply.has_code("AUTH")):
        return core.refusal(reply, "to sign anybody in")
    words = core.server_words(reply.text)
    if named:
        return SignInRefused(
            f"{core.host} refused the user name {user}{words}. Check it, or ask whoever runs the server how to sign in.",
            detail=reply.code,
        )
    return sign_in.refused(core.host, user, mechanism, words, reply.code)
