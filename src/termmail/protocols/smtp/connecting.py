"""From a configured server to a session that is signed in (T1 to T14)."""

from __future__ import annotations

import base64
from collections.abc import Callable

from termmail.model.account import Security, Server
from termmail.model.errors import PasswordRefused, Retry, SignInRefused
from termmail.model.secret import AccessToken, Secret
from termmail.protocols import sasl, tls
from termmail.protocols.arguments import check_argument
from termmail.protocols.mechanism import Mechanism
from termmail.protocols.redact import Redactor
from termmail.protocols.smtp.core import Core, Timeouts
from termmail.protocols.smtp.hook import announce
from termmail.protocols.smtp.replies import Reply
from termmail.protocols.smtp.session import SmtpSession
from termmail.protocols.token_mechanisms import check_token_allowed, no_token_mechanism, token_refused

_MAX_ROUNDS = 10
_MAX_COMMAND = 512
_USUAL_TIMEOUTS = Timeouts()
_UNKNOWN_MECHANISM = (500, 501, 502, 503, 504)


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
    helo: str = "[127.0.0.1]",
) -> SmtpSession:
    """Connect, encrypt as `server.security` says, and sign in with the best mechanism offered (RFC 4954).

    `helo` is what we call ourselves (T17). `trace` and `on_abort` are as for IMAP and POP3. A server on this computer, without
    encryption, that offers no sign-in is used without one.

    `proxy` is the URL of a proxy to go through, or empty.

    Raises InsecureConnection, SignInRefused, ConnectionLost, ProtocolViolation, UnsafeArgument, ConfigError, Cancelled.
    """
    check_argument(user, "the user name")
    check_argument(password.reveal(), "the password")
    check_token_allowed(server.host, password, plain=server.security is Security.NONE)
    transport = tls.Transport(server, ca_file=ca_file, proxy=proxy)

    lifeline = tls.Lifeline()
    if on_abort is not None:
        on_abort(lifeline.cut)
    core = Core(transport, timeouts, lifeline, helo=helo, trace=trace, redactor=Redactor(password))
    try:
        _sign_in(core, user, password)
    except BaseException:
        core.close()
        raise
    return SmtpSession(core)


def _sign_in(core: Core, user: str, password: Secret) -> None:
    offered = {word.upper() for word in core.esmtp_features.get("auth", "").split()}
    if not offered and core.plain:
        return
    refusal: SignInRefused | None = None
    for make in sasl.choose(offered, password):
        mechanism = make(user, password)
        reply = _authenticate(core, mechanism)
        if reply.ok:
            return
        refusal = _refused(core, user, reply, mechanism)
        if (mechanism.proved and reply.code not in _UNKNOWN_MECHANISM) or core.wire.closed:
            raise refusal
    if refusal is None and isinstance(password, AccessToken):
        raise no_token_mechanism(core.host)
    raise refusal or SignInRefused(
        f"{core.host} offers no way to sign in that termmail knows. Ask whoever runs it for PLAIN or SCRAM-SHA-256."
    )


def _authenticate(core: Core, mechanism: Mechanism) -> Reply:
    """One AUTH; returns how it ended.

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
        reply = core.reply()
        if reply.code != 334:
            announce("AUTH", "after")
            if reply.ok and not (initial_sent and mechanism.finished):
                raise core.violation("says that the sign-in succeeded before it was complete")
            return reply
        challenge = reply.lines[-1]
        if initial is not None and turn == 0 and not (initial_sent and challenge.strip()):
            response, initial_sent = base64.b64encode(initial), True
        else:
            response = sasl.response_to(challenge, mechanism, core.wire, core.host)
        core.wire.send(response + b"\r\n")
    raise core.violation("never comes to an end with the sign-in")


def _refused(core: Core, user: str, reply: Reply, mechanism: Mechanism) -> SignInRefused:
    words = core.server_words(reply)
    code = f"{reply.code} {reply.enhanced}".strip()
    if reply.temporary:
        return SignInRefused(
            f"{core.host} can't sign anybody in at the moment{words}. It is tried again.",
            retry=Retry.LATER,
            detail=code,
        )
    if (refused := token_refused(core.host, user, mechanism, words, code)) is not None:
        return refused
    return PasswordRefused(f"{core.host} refused the password for {user}{words}.", detail=code)
