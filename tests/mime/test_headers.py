"""Envelopes, encoded words, addresses and dates, tolerant of what is really sent."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus import corpus_messages, require_corpus
from termmail.mime.addresses import MAX_ADDRESSES, parse_addresses
from termmail.mime.charsets import decode_text
from termmail.mime.dates import parse_date
from termmail.mime.encoded_words import decode_base64
from termmail.mime.headers import MAX_FIELDS, decode_header, header_fields, parse_envelope, split_header
from termmail.model.message import Address

TYPICAL = b"""Date: Tue, 3 Nov 2026 14:05:06 +0100\r
From: Lisa Example <lisa@example.org>\r
To: "Doe, John" <john.doe@example.com>, list@lists.example.net,\r
 =?utf-8?q?J=C3=B6rg?= <joerg@example.com>\r
Cc: third@example.com\r
Subject: Re: the meeting about the foundations and\r
\tsomething longer\r
Message-ID: <20261103140506.12345@mail.example.org>\r
In-Reply-To: <abcdef@mail.example.com>\r
References: <abc@mail.example.com>\r
 <abcdef@mail.example.com>\r
List-Id: The list <list.lists.example.net>\r
Content-Type: multipart/mixed; boundary=x\r
\r
From: nobody@example.org\r
"""


def test_typical_envelope() -> None:
    """P4."""
    envelope = parse_envelope(TYPICAL)
    assert envelope.sent_at == 1793711106
    assert envelope.from_ == (Address("Lisa Example", "lisa@example.org"),)
    assert envelope.to == (
        Address("Doe, John", "john.doe@example.com"),
        Address("", "list@lists.example.net"),
        Address("Jörg", "joerg@example.com"),
    )
    assert envelope.cc == (Address("", "third@example.com"),)
    assert envelope.subject == "Re: the meeting about the foundations and something longer"
    assert envelope.message_id_header == "20261103140506.12345@mail.example.org"
    assert envelope.in_reply_to == "abcdef@mail.example.com"
    assert envelope.references == ("abc@mail.example.com", "abcdef@mail.example.com")
    assert envelope.list_id == "list.lists.example.net"
    assert envelope.has_attachments
    assert parse_envelope(TYPICAL.replace(b"\r\n", b"\n")) == envelope


def test_nothing_at_all_is_an_empty_envelope() -> None:
    """P13: absent From."""
    assert parse_envelope(b"") == parse_envelope(b"\r\nFrom: a@b\r\n") == parse_envelope(b"From:\nDate:\n\n")


@pytest.mark.parametrize(
    "header",
    [
        b"From : lisa@example.org\nSubject: x\n",
        b" From: lisa@example.org\nSubject: x\n",
        b"From\r\n : lisa@example.org\r\nSubject: x\r\n",
        b"FROM:lisa@example.org\nsubject:x\n",
        b"From nobody Tue Nov  3 14:05:06 2026\nFrom: lisa@example.org\nno field here\nSubject: x\n",
        b"From:\nFrom: lisa@example.org\nSubject:\nSubject: x\nSubject: y\n",
        b"From: \r\n lisa@example.org\r\nSubject:\r\n x\r\n\n",
    ],
)
def test_odd_spelling_of_fields(header: bytes) -> None:
    """P13."""
    envelope = parse_envelope(header)
    assert [address.address for address in envelope.from_] == ["lisa@example.org"]
    assert envelope.subject == "x"


def test_several_from_fields_are_all_there() -> None:
    """P13, D4: what a mail says twice is not hidden."""
    header = b"From: a@example.org\nTo: x@example.org\nFrom: Boss <b@example.org>\nTo: y@example.org\n"
    envelope = parse_envelope(header)
    assert [address.address for address in envelope.from_] == ["a@example.org", "b@example.org"]
    assert [address.address for address in envelope.to] == ["x@example.org", "y@example.org"]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"=?utf-8?B?w6TDtsO8?=", "äöü"),
        (b"=?UTF-8?q?a_b=C3=A4?= plain", "a bä plain"),
        (b"=?utf-8?q?a?= =?utf-8?q?b?=\r\n =?utf-8?q?c?= d", "abc d"),
        (b"=?utf-8?B?w6TDtg==?= =?utf-8?q?x?=", "äöx"),
        (b"=?utf-8?q?=C3?= =?utf-8?q?=A4?=", "ä"),
        (b"=?utf-8?B?w6Q?= =?UTF-8?B?eA==?=", "äx"),
        (b"=?iso-8859-1*de?Q?=FC?=", "ü"),
        (b"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"),
        (b"=?gb2312?B?1tDOxA==?=", "中文"),
        (b"=?x-unknown?q?=E9?=", "é"),
        (b"=?unicode_escape?q?=5Cx1b?=", "\\x1b"),
        (b"=?utf-8?B?!!!?=", ""),
        (b"=?utf-8?B?YWJjZ?=", "abc"),
        (b"=?utf-8?Z?abc?=", "=?utf-8?Z?abc?="),
        (b"=?utf-8?q?unfinished", "=?utf-8?q?unfinished"),
        (b"=?utf-8?q?one =?utf-8?q?two?=", "=?utf-8?q?one two"),
        (b"=?utf-8?q?Really??=", "Really?"),
        (b'"=?utf-8?q?in_quotes?="', '"in quotes"'),
        (b"pre=?utf-8?q?fix?=post", "prefixpost"),
        (b"=?iso-8859-1?Q?Fr\xf6sche?=", "Frösche"),
        ("Füße".encode(), "Füße"),
        ("Füße".encode("latin-1"), "Füße"),
        (b"\x1b$BF|K\\\x1b(B", "日本"),
    ],
)
def test_encoded_words(raw: bytes, text: str) -> None:
    """P7, P8."""
    assert decode_header(raw) == text
    assert parse_envelope(b"Subject: " + raw + b"\n").subject == text


def test_unencoded_header_in_the_charset_of_the_body() -> None:
    """P8."""
    for charset, text in (("gbk", "中文邮件"), ("shift_jis", "日本語"), ("koi8-r", "Привет")):
        header = f"Content-Type: text/plain; charset={charset}\nSubject: ".encode() + text.encode(charset) + b"\n"
        assert parse_envelope(header).subject == text


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("a@b.c", [("", "a@b.c")]),
        ("A B <a@b.c>", [("A B", "a@b.c")]),
        ('"B, A" <a@b.c>, d@e.f', [("B, A", "a@b.c"), ("", "d@e.f")]),
        ('"say \\"hi\\"" <a@b.c>', [('say "hi"', "a@b.c")]),
        ("a@b.c (Comment (nested) here)", [("Comment (nested) here", "a@b.c")]),
        ("A (work) <a@b.c>", [("A", "a@b.c")]),
        ("a @ b . c", [("", "a@b.c")]),
        ("Group: a@b.c, D <d@e.f>;, g@h.i", [("", "a@b.c"), ("D", "d@e.f"), ("", "g@h.i")]),
        ("undisclosed-recipients:;", []),
        ("A <@route.x,@y.z:a@b.c>", [("A", "a@b.c")]),
        ("a@b.c; d@e.f", [("", "a@b.c"), ("", "d@e.f")]),
        ("a@b.c d@e.f", [("", "a@b.c"), ("", "d@e.f")]),
        ("<a@b.c> <d@e.f>", [("", "a@b.c"), ("", "d@e.f")]),
        ("good@b.c <evil@e.f>", [("good@b.c", "evil@e.f")]),
        (",, a@b.c,,", [("", "a@b.c")]),
        ("A <a@b.c", [("A", "a@b.c")]),
        ('"A <a@b.c>', [("A", "a@b.c")]),
        ('"', []),
        ("(x): a@b;", [("", "a@b")]),
        ("A <>", [("A", "")]),
        ("root", [("", "root")]),
        ("Just A Name", [("Just A Name", "")]),
        ('"a b"@c.d', [("", '"a b"@c.d')]),
        ('X <"a, <b>"@c.d>', [("X", '"a, <b>"@c.d')]),
        ("A <a@[192.0.2.1]>", [("A", "a@[192.0.2.1]")]),
        ("a@[IPv6:2001:db8::1]", [("", "a@[IPv6:2001:db8::1]")]),
        ('"=?utf-8?q?J=C3=B6rg?=" <j@b.c>', [("Jörg", "j@b.c")]),
        ("=?utf-8?q?a=40evil?= <b@c.d>", [("a@evil", "b@c.d")]),
        ("=?utf-8?b?cG90dXNAd2hpdGVob3VzZS5nb3Y=?=@e.f", [("", "=?utf-8?b?cG90dXNAd2hpdGVob3VzZS5nb3Y=?=@e.f")]),
        ("A   B\t<a@b.c>", [("A B", "a@b.c")]),
        ("Jörg <jörg@bücher.example>", [("Jörg", "jörg@bücher.example")]),
        ("a\\", [("", "a")]),
    ],
)
def test_addresses(text: str, addresses: list[tuple[str, str]]) -> None:
    """P14, D4."""
    assert [(address.name, address.address) for address in parse_addresses(text)] == addresses


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Tue, 3 Nov 2026 14:05:06 +0100", 1793711106),
        ("3 Nov 2026 13:05:06 GMT", 1793711106),
        ("Tue,  3 Nov 2026 14:05:06 +0100 (CET)", 1793711106),
        ("Tue Nov  3 13:05:06 2026", 1793711106),
        ("Tue Nov  3 08:05:06 EST 2026", 1793711106),
        ("3 Nov 26 1:05:06 PM", 1793711106),
        ("2026-11-03T14:05:06+01:00", 1793711106),
        ("2026-11-03 13:05:06Z", 1793711106),
        ("Tuesday, 3 November 2026 14:05:06 GMT+0100", 1793711106),
        ("Tue, 03 Nov 2026 14.05.06 +0100", 1793711106),
        ("Tue, 3 Nov 2026 14:05 +0100", 1793711100),
        ("Wed, 29 Feb 2012 00:00:00 +0000", 1330473600),
        ("Sat, 01 Jan 2000 00:00:00 -0000", 946684800),
        ("29 Feb 2011 00:00:00 +0000", None),
        ("Tue, 3 Nov 99999 14:05:06 +0100", None),
        ("Tue, 3 Nov 2026 14:05:06 +9999", None),
        ("Tue, 3 Nov 2026 25:05:06 +0100", None),
        ("Tue, 33 Nov 2026 14:05:06 +0100", None),
        ("3 Foo 2026 14:05:06 +0100", None),
        ("junk", None),
        ("", None),
        ("1 1 1 1:1", None),
        ("٣ Nov ٢٠٢٦ 14:05:06 +0100", None),
    ],
)
def test_dates(text: str, seconds: int | None) -> None:
    """P9."""
    assert parse_date(text) == seconds


def test_all_fields_are_given_as_they_stand() -> None:
    """P13: what is no field is still shown."""
    raw = b"Received: a\r\n b\r\nX-Odd : \xe9\r\nno field\r\n\r\nbody: x\r\n"
    assert header_fields(raw) == [("Received", b"a\n b"), ("X-Odd", b"\xe9"), ("", b"no field")]
    assert len(header_fields(b"A: b\n" * 5000)) == MAX_FIELDS


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (b"A: b\r\n\r\nbody", b"body"),
        (b"A: b\n\nbody\n\nmore", b"body\n\nmore"),
        (b"\nbody", b"body"),
        (b"\r\nbody", b"body"),
        (b"A: b\nbody without an empty line", b"body without an empty line"),
        (b"A: b\nno field\nC: d\n\nbody", b"body"),
        (b"A: b\n", b""),
        (b"", b""),
    ],
)
def test_where_the_body_begins(raw: bytes, body: bytes) -> None:
    """P13."""
    assert raw[split_header(raw) :] == body


def test_budgets() -> None:
    """P5: header block, fields, addresses."""
    many = b"To: " + b"a@b.c, " * 10_000 + b"\n"
    assert len(parse_envelope(many).to) == MAX_ADDRESSES
    assert len(parse_envelope(b"To: a@b.c\n" * 10_000).to) == MAX_FIELDS
    assert parse_envelope(b"X: y\n" * 100_000 + b"Subject: late\n").subject == ""
    assert len(parse_envelope(b"References: " + b"<a@b> " * 10_000).references) == 200


@pytest.mark.parametrize(
    "piece", ["(", '"', '<"', '<\\"', " ", "a ", "a@ : ", "[", ":", ";", '"a" ', "\\", "=?utf-8?q?", "<a@b "]
)
def test_floods_take_linear_time(piece: str) -> None:
    """P5: each of them once took quadratic or exponential time somewhere; the test's time limit would strike."""
    flood = piece.encode() * (250_000 // len(piece))
    envelope = parse_envelope(b"From: " + flood + b"\nSubject: x")
    assert envelope.sent_at is None
    parse_date(flood.decode())
    decode_header(flood)


@given(
    st.binary(max_size=400)
    | st.from_regex(rb"\A(From|To|Subject|Date|References|Content-Type): ?[ -~\x80-\xff]{0,80}\Z")
)
def test_any_header_gives_an_envelope(header: bytes) -> None:
    """P1, P15."""
    envelope = parse_envelope(header)
    for text in (envelope.subject, envelope.list_id, *(a.name + a.address for a in envelope.from_ + envelope.to)):
        text.encode()
    header_fields(header)
    assert 0 <= split_header(header) <= len(header)


@given(st.text(st.sampled_from('ab@.,;:<>()[]"\\ =?é\t\n'), max_size=60))
def test_any_text_gives_addresses(text: str) -> None:
    """P14, P15: no address without something in it, and a plain form is read back as it was."""
    for address in parse_addresses(text):
        assert address.name or address.address
    assert parse_addresses("x@y.z, " + text)[0] == Address("", "x@y.z")


@given(
    st.binary(max_size=200),
    st.sampled_from(["", "utf-8", "us-ascii", "iso-2022-jp", "gbk", "utf-7", "utf-16", "hex", "rot13", "hz"]),
)
def test_any_bytes_decode(data: bytes, charset: str) -> None:
    """P7: also unknown and hostile charsets; the text can be encoded again."""
    decode_text(data, charset).encode()
    decode_base64(data)


def test_only_light_modules_are_imported() -> None:
    """The engine and each list cell import these: nothing heavy may come along."""
    code = (
        "import sys, termmail.mime.headers, termmail.mime.safe_text;"
        "print([m for m in ('email', 'html2text', 'selectolax', 'asyncio', 'html') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_envelopes_of_the_corpus() -> None:
    """P1: a sample of real mail gives envelopes, nearly all of them with a sender and a date."""
    require_corpus()
    envelopes = [parse_envelope(raw) for _, raw in corpus_messages(every=5)]
    assert sum(1 for envelope in envelopes if envelope.from_) > 0.95 * len(envelopes)
    assert sum(1 for envelope in envelopes if envelope.sent_at) > 0.93 * len(envelopes)
