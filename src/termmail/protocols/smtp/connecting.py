"""From a configured server to a session that is signed in (T1 to T14)."""

from __future__ import annotations

from collections.abc import Callable

from termmail.model.account import Server
from termmail.model.errors import SignInRefused
from termmail.model.secret import Secret
from termmail.protocols import sasl, sign_in
from termmail.protocols.hook import announce
from termmail.protocols.mechanism import Mechanism
from termmail.protocols.redact import Redactor
from termmail.protocols.smtp.core import Core, Timeouts
from termmail.protocols.smtp.replies import Reply
from termmail.protocols.smtp.session import SmtpSession

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
    transport, lifeline = sign_in.prepare(server, user, password, ca_file=ca_file, proxy=proxy, on_abort=on_abort)
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
    raise refusal or sign_in.no_mechanism(core.host, password)


def _authenticate(core: Core, mechanism: Mechanism) -> Reply:
    """One AUTH; returns how it ended.

    Raises ProtocolViolation where the server claims success too early (T10), SignInRefused where it can't prove itself (T12).
    """
    core.expect_silence()
    announce("AUTH", "before")
    core.trace(f"C: AUTH {mechanism.name} …")
    line, initial_sent = sign_in.auth_command(mechanism, _MAX_COMMAND)
    core.wire.send(line + b"\r\n")

    def read() -> bytes | Reply:
        reply = core.reply()
        if reply.code == 334:
            return reply.lines[-1]
        announce("AUTH", "after")
        return reply

    return sign_in.exchange(core, mechanism, read, initial_sent=initial_sent)


def _refused(core: Core, user: str, reply: Reply, mechanism: Mechanism) -> SignInRefused:
    words = core.reply_words(reply)
    code = f"{reply.code} {reply.enhanced}".strip()
    if reply.temporary:
        return sign_in.not_now(core.host, words, code)
    return sign_in.refused(core.host, user, mechanism, words, code)
