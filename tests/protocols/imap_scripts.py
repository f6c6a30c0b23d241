"""Scripts for an IMAP server that misbehaves at one point and is unremarkable otherwise."""

from __future__ import annotations

from collections.abc import Callable

from servers.scripted import Conversation, Gone, ScriptedServer
from termmail.model.account import Security, Server
from termmail.model.secret import Secret
from termmail.protocols import imap

PASSWORD = "correct-horse-9"
Answers = dict[str, bytes | Callable[[Conversation], None]]

CAPABILITIES = b"IMAP4rev1 AUTH=PLAIN SASL-IR"


def usual(answers: Answers, capabilities: bytes = CAPABILITIES, *, exists: int = 3) -> Callable[[Conversation], None]:
    """A server that takes any password and answers commands with OK, but those in `answers` (a command's name in capitals, or
    a line's beginning after the tag) as told."""
    select = (
        b"* %d EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n* OK [UIDNEXT 100] n\r\n$TAG OK [READ-WRITE] selected\r\n" % exists
    )
    defaults: Answers = {
        "CAPABILITY": b"* CAPABILITY " + capabilities + b"\r\n$TAG OK caps\r\n",
        "AUTHENTICATE PLAIN": b"$TAG OK [CAPABILITY " + capabilities + b"] in\r\n",
        "SELECT": select,
        "LOGOUT": b"* BYE bye\r\n$TAG OK out\r\n",
        "": b"$TAG OK done\r\n",
    }

    def run(talk: Conversation) -> None:
        talk.send(b"* OK [CAPABILITY " + capabilities + b"] ready\r\n")
        while True:
            try:
                line = talk.read_line().partition(b" ")[2].decode("latin-1").upper()
            except Gone:
                return
            known = {**defaults, **answers}
            key = max((key for key in known if line.startswith(key)), key=len)
            answer = known[key]
            if callable(answer):
                answer(talk)
            else:
                talk.send(answer)

    return run


def connect_to(server: ScriptedServer, security: Security = Security.NONE, **options: object) -> imap.ImapSession:
    """Sign in to a scripted server."""
    options.setdefault("timeouts", imap.Timeouts(connect=10, command=10, idle_done=2))
    return imap.connect(Server("localhost", server.port, security), "lisa", Secret(PASSWORD), **options)  # type: ignore[arg-type]
