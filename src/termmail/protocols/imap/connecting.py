"""From a configured server to a session that is signed in (T1 to T16)."""

from __future__ import annotations

import base64
from collections.abc import Callable

from termmail import __version__
from termmail.model.account import Security, Server
from termmail.model.errors import SignInRefused
from termmail.model.secret import AccessToken, Secret
from termmail.protocols import sasl, sign_in
from termmail.protocols.hook import announce
from termmail.protocols.imap import names
from termmail.protocols.imap.core import Core, Literal, Timeouts
from termmail.protocols.imap.link import Client, Link
from termmail.protocols.imap.responses import Status, parse_status
from termmail.protocols.imap.session import ImapSession
from termmail.protocols.imap.unsolicited import capability_set
from termmail.protocols.mechanism import Mechanism
from termmail.protocols.redact import Redactor

_USUAL_TIMEOUTS = Timeouts()
_TEMPORARY = {"UNAVAILABLE", "INUSE", "SERVERBUG", "LIMIT"}


def connect(
    server: Server,
    user: str,
    password: Secret,
    *,
    ca_file: str = "",
    proxy: str = "",
    timeouts: Timeouts = _USUAL_TIMEOUTS,
    max_literal: int = 64 << 20,
    trace: Callable[[str], None] | None = None,
    on_abort: Callable[[Callable[[], None]], None] | None = None,
) -> ImapSession:
    """Connect, encrypt as `server.security` says, and sign in with the best mechanism offered.

    `max_literal` is the number of bytes above which a server's literal ends the connection. `trace` gets each line for the
    log, without secrets. `on_abort` gets, before anything else, a function that from any thread ends this call and later the
    session, as `ImapSession.abort` does; looking the name up can't be cut short.

    `proxy` is the URL of a proxy to go through, or empty.

    Raises InsecureConnection, SignInRefused, ConnectionLost, ProtocolViolation, UnsafeArgument, ConfigError, Cancelled.
    """
    transport, lifeline = sign_in.prepare(server, user, password, ca_file=ca_file, proxy=proxy, on_abort=on_abort)
    client = Client(
        server,
        lambda: Link(transport, timeouts.connect, timeouts.command, lifeline),
        connect=timeouts.connect,
        command=timeouts.command,
    )
    core = Core(
        client,
        plain=server.security is Security.NONE,
        timeouts=timeouts,
        max_literal=max_literal,
        trace=trace,
        redactor=Redactor(password),
    )
    try:
        _sign_in(core, user, password)
    except BaseException:
        core.wire.close()
        raise
    return ImapSession(core)


def _sign_in(core: Core, user: str, password: Secret) -> None:
    greeting = parse_status(b"OK " + core.link.greeting)
    if greeting is not None and greeting.code == "CAPABILITY":
        core.capabilities = capability_set(greeting.arguments)
    else:
        core.capabilities = _ask_capabilities(core)
    login_command = "LOGINDISABLED" not in core.capabilities
    offered = {name[5:] for name in core.capabilities if name.startswith("AUTH=")}
    mechanisms = [make(user, password) for make in sasl.choose(offered, password)]
    core.collector.take_capabilities()
    refusal: SignInRefused | None = None
    for mechanism in mechanisms:
        status = _authenticate(core, mechanism)
        if status.ok:
            break
        refusal = _refused(core, user, status, mechanism)
        if mechanism.proved or core.wire.closed:
            raise refusal
    else:
        if refusal is not None:
            raise refusal
        if isinstance(password, AccessToken) or not login_command:
            raise sign_in.no_mechanism(core.host, password)
        _login(core, user, password)
    core.link.state = "AUTH"
    core.capabilities = core.collector.take_capabilities() or _ask_capabilities(core)
    core.ahead = _after_sign_in(core)


def _ask_capabilities(core: Core) -> frozenset[str]:
    core.command("CAPABILITY", what="to say what it can")
    found = core.collector.take_capabilities()
    if found is None:
        raise core.violation("did not say what it can")
    return found


def _authenticate(core: Core, mechanism: Mechanism) -> Status:
    """One AUTHENTICATE (RFC 9051 §6.2.2, SASL-IR of RFC 4959); returns how it ended.

    Raises ProtocolViolation where the server claims success too early (T10), SignInRefused where it can't prove itself (T12).
    """
    verb = "AUTHENTICATE"
    arguments = [mechanism.name.encode()]
    initial = mechanism.initial
    initial_sent = initial is None
    if initial is not None and core.has("SASL-IR"):
        arguments.append(base64.b64encode(initial) or b"=")
        initial_sent = True
    tag = core.begin(verb, *arguments)

    def read() -> bytes | Status:
        while True:
            response = core.read_quietly()
            if response.tag == b"+":
                return response.line[2:]
            if response.tag == tag:
                announce(verb, "after")
                return core.status_of(response)
            if response.tag == b"*":
                core.note(response)
            else:
                core.stray(response)

    return sign_in.exchange(core, mechanism, read, initial_sent=initial_sent)


def _login(core: Core, user: str, password: Secret) -> None:
    arguments = [_login_argument(user.encode()), _login_argument(password.reveal().encode())]
    tag = core.begin("LOGIN", *arguments)
    status = core.finish(tag, "LOGIN")
    if status.kind != "OK":
        raise _refused(core, user, status)


def _login_argument(value: bytes) -> bytes | Literal:
    return names.quoted(value, "the password") if value.isascii() else Literal(value)


def _refused(core: Core, user: str, status: Status, mechanism: Mechanism | None = None) -> SignInRefused:
    words = core.server_words(status.text)
    if status.code in _TEMPORARY:
        return sign_in.not_now(core.host, words, status.code)
    if status.code == "REFERRAL":
        # Not followed (T7): whoever is in the connection's way could send the password anywhere.
        return SignInRefused(
            f"{core.host} sends {user} to another server{words}. Termmail does not follow that; ask whoever runs the server for "
            "the right name.",
            detail=status.code,
        )
    return sign_in.refused(core.host, user, mechanism, words, status.code)


def _after_sign_in(core: Core) -> list[tuple[str, bytes]]:
    """ID (T16) and ENABLE go along with the first command, so that they cost no round trip."""
    ahead: list[tuple[str, bytes]] = []
    if core.has("ID"):
        ahead.append(("ID", b'("name" "termmail" "version" "%s")' % __version__.encode()))
    wanted = [name for name in ("CONDSTORE", "QRESYNC") if core.has(name)]
    if core.has("ENABLE") and wanted:
        ahead.append(("ENABLE", " ".join(wanted).encode()))
    return ahead
