"""Scripts for a POP3 server that misbehaves at one point and is unremarkable otherwise."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence

import pytest

from protocols.pop3_sessions import PASSWORD
from servers.scripted import Conversation, Gone, Script

Answers = dict[str, bytes | Script]

CAPABILITIES = ("USER", "UIDL", "TOP", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE")
ONE_BY_ONE = tuple(name for name in CAPABILITIES if name != "PIPELINING")
both_ways = pytest.mark.parametrize("capabilities", [CAPABILITIES, ONE_BY_ONE], ids=["pipelined", "one by one"])
MESSAGES = (b"Subject: one\r\n\r\n.\r\n..\r\nx\r\n", b"Subject: two\r\n\r\n", b".Subject: three\r\n\r\n\n.\n\r\n")

STAMP = b"+OK ready <1896.697170952@mail.example.org>\r\n"
"""A greeting that offers APOP."""

_SECRETS = (
    PASSWORD.encode(),
    base64.b64encode(PASSWORD.encode()),
    base64.b64encode(f"\0lisa\0{PASSWORD}".encode()),
)


def assert_silent(data: bytes) -> None:
    """Neither the user's name nor the password was sent."""
    assert not any(form in data for form in _SECRETS)
    assert b"lisa" not in data


def multi(*lines: bytes) -> bytes:
    """A multi-line answer."""
    return b"+OK\r\n" + b"".join(line + b"\r\n" for line in lines) + b".\r\n"


def stuffed(raw: bytes) -> bytes:
    """A message as the answer to RETR; one without a line end at its end gets it."""
    ended = raw if raw.endswith(b"\r\n") or not raw else raw + b"\r\n"
    return b"+OK\r\n" + re.sub(rb"(\A|\r\n)\.", rb"\1..", ended) + b".\r\n"


def usual(
    answers: Answers,
    capabilities: Sequence[str] = CAPABILITIES,
    *,
    messages: Sequence[bytes] = MESSAGES,
    greeting: bytes = b"+OK ready\r\n",
) -> Script:
    """A server that takes any password and has these messages; commands that begin as told in `answers` (in capitals) are answered
    so, an empty answer ends the connection. Without capabilities it does not know CAPA either."""
    defaults: Answers = {
        "CAPA": multi(*(name.encode() for name in capabilities)) if capabilities else b"-ERR what\r\n",
        "AUTH": b"-ERR what\r\n",
        "LIST": multi(*(b"%d %d" % (number, len(raw)) for number, raw in enumerate(messages, 1))),
        "UIDL": multi(*(b"%d uid-%d" % (number, number) for number in range(1, len(messages) + 1))),
        "": b"+OK done\r\n",
    }
    for number, raw in enumerate(messages, 1):
        defaults[f"RETR {number}\r"] = stuffed(raw)
        defaults[f"TOP {number} "] = stuffed(raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")

    def run(talk: Conversation) -> None:
        talk.send(greeting)
        while True:
            try:
                line = talk.read_line().decode("latin-1").upper()
            except Gone:
                return
            answer = _match(answers, line)
            if answer is None:
                answer = _match(defaults, line) or b""
            if callable(answer):
                answer(talk)
            else:
                talk.send(answer)
            if line.startswith("QUIT") or not answer:
                return

    return run


def _match(answers: Answers, line: str) -> bytes | Script | None:
    keys = [key for key in answers if line.startswith(key)]
    return answers[max(keys, key=len)] if keys else None


class Unterminated(Conversation):
    """A conversation that ends after so many bytes from the server."""

    def __init__(self, talk: Conversation, count: int) -> None:
        self.__dict__ = talk.__dict__
        self._left = count

    def send(self, data: bytes) -> None:
        super().send(data[: self._left])
        self._left -= len(data)
        if self._left < 0:
            raise Gone


def cut_after(count: int, script: Script) -> Script:
    """The same, but the connection ends after `count` bytes from the server."""

    def run(talk: Conversation) -> None:
        script(Unterminated(talk, count))

    return run


def remembering(script: Script, record: Callable[[int], None]) -> Script:
    """The same; `record` hears how many bytes the server sends at a time."""

    class Counted(Conversation):
        def __init__(self, talk: Conversation) -> None:
            self.__dict__ = talk.__dict__

        def send(self, data: bytes) -> None:
            record(len(data))
            super().send(data)

    return lambda talk: script(Counted(talk))
