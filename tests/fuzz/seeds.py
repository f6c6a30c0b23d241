"""Where fuzzing begins: small messages of our own, and where there is one the corpus."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from corpus import corpus_messages
from termmail.demo.mail import demo_mail
from ui.hostile_mail import CLEAN_MAIL, HOSTILE_MAIL

_LARGEST = 8 * 1024
_DATES = (
    b"Tue, 3 Nov 2026 12:00:00 +0100", b"3 Nov 26 12:00 EST", b"Tue Nov  3 12:00:00 2026", b"2026-11-03T12:00:00Z", b"99999 +9999",
)  # fmt: skip
_ADDRESSES = (
    b"Ann <ann@a.example>", b'"A, B" <a@b.example>, c@d.example', b"Group: a@b.example, c@d.example;", b"=?utf-8?q?=C3=A9?= <@r:a@b>",
    b'"a@b" <c@d>', b"(c) a@b (d)",
)  # fmt: skip
_MAILTO = (b"ann@a.example?subject=x%20y&body=z", b"?to=a@b&cc=c@d&in-reply-to=%3Cx@y%3E", b"a@b?subject=%0D%0ABcc:x@y")
_IMAP = (
    b'* 1 FETCH (UID 1 FLAGS (\\Seen) INTERNALDATE "01-Feb-2024 10:00:00 +0100" RFC822.SIZE 9 BODY[HEADER] {5}\r\na: b\n)\r\n',
    b'* LIST (\\HasNoChildren \\Sent) "/" "Sent"\r\n* LIST () NIL {3}\r\nabc\r\n* STATUS "x" (MESSAGES 1 UIDNEXT 2)\r\n',
    b"* OK [UIDVALIDITY 3] x\r\n* VANISHED (EARLIER) 1:3,5\r\n* ESEARCH (TAG \"a\") UID ALL 1:3\r\na OK [COPYUID 1 2 3] done\r\n",
    b"* 1 FETCH (FLAGS () MODSEQ (12))\r\n* CAPABILITY IMAP4rev1 IDLE\r\n+ go on\r\n* BYE x\r\n",
)  # fmt: skip
_POP3 = (
    b"+OK\r\nSubject: x\r\n\r\n..dot\r\n.\r\n",
    b"-ERR [IN-USE] locked\r\n",
    b"1 120\r\n2 4\r\n.\r\n",
    b".\r\n",
    b"\n.\n\r\n.\r\n",
)
_SMTP = (
    b"250-a.example\r\n250-SIZE 100\r\n250 8BITMIME\r\n",
    b"550 5.1.1 no\r\n",
    b".\r\n..\r\n.a\n",
    b"354 go\r\n\r\n.\r\n",
)
_OWN = {"date": _DATES, "addresses": _ADDRESSES, "mailto": _MAILTO, "imap": _IMAP, "pop3": _POP3, "smtp": _SMTP}


def seeds(target: str, *, corpus_every: int | None = None) -> Iterator[bytes]:
    """Inputs to begin with; of the corpus each so many-th file, by default none."""
    if target in _OWN:
        yield from _OWN[target]
        return
    now = datetime.datetime(2026, 11, 3, 12, tzinfo=datetime.UTC)
    own = [*CLEAN_MAIL, *HOSTILE_MAIL, *(sample.raw for sample in demo_mail(now))]
    if corpus_every is not None:
        own += [raw for _, raw in corpus_messages(every=corpus_every)]
    for raw in own:
        yield _fit(target, raw)[:_LARGEST]


def _fit(target: str, raw: bytes) -> bytes:
    head, _, rest = raw.partition(b"\r\n\r\n")
    if target == "header_block":
        return head
    if target == "html":
        start = rest.find(b"<")
        return rest[start:] if start >= 0 else rest
    return raw
