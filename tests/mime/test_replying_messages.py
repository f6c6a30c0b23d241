"""Replies, forwards, drafts to be continued, mailto: URLs, and second thoughts (A4 to A6, O8)."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus import corpus_messages, require_corpus
from termmail.mime.addressing import check_recipients
from termmail.mime.building import build
from termmail.mime.field_writing import is_message_id
from termmail.mime.headers import header_fields, parse_envelope
from termmail.mime.mailto import parse_mailto
from termmail.mime.replying import (
    bare_subject,
    draft_from,
    forward,
    original,
    reply,
)
from termmail.mime.second_thoughts import before_sending
from termmail.model.account import Identity
from termmail.model.errors import Unsendable
from termmail.model.message import Address
from termmail.model.outgoing import Draft, ReplyKind

LISA = Identity("Lisa", "lisa@demo.example", "Lisa Example\n+49 123")
WORK = Identity("Lisa at work", "lisa@work.example")
IDENTITIES = (LISA, WORK)
ID = "0" * 16


def raw(*fields: str, body: str = "Hello\r\n") -> bytes:
    return ("\r\n".join(fields) + "\r\n\r\n" + body).encode()


def answer(source: bytes, kind: ReplyKind = ReplyKind.SENDER) -> Draft:
    return reply(original(source), draft_id=ID, account="lisa", identities=IDENTITIES, kind=kind)


USUAL = (
    "From: Bob <bob@else.example>",
    "To: Lisa <lisa@work.example>, Carol <carol@else.example>",
    "Cc: dora@else.example, LISA@demo.example",
    "Subject: Re: AW: Boats",
    "Date: Tue, 3 Nov 2026 14:05:00 +0000",
    "Message-ID: <3@else.example>",
    "References: <1@else.example> <2@else.example>",
    "In-Reply-To: <2@else.example>",
)


def test_a_reply() -> None:
    draft = answer(raw(*USUAL, body="Noon?\r\n> earlier\r\n-- \r\nBob\r\n"))
    assert draft.to == "Bob <bob@else.example>"
    assert draft.cc == ""
    assert draft.from_ == Address("Lisa at work", "lisa@work.example")
    assert draft.subject == "Re: Boats"
    assert draft.in_reply_to == "3@else.example"
    assert draft.references == ("1@else.example", "2@else.example", "3@else.example")
    assert draft.answers == "3@else.example"
    lines = draft.body.split("\n")
    assert lines[:2] == ["", ""]
    assert lines[2].startswith("On Tue, 3 Nov 2026 at ")
    assert lines[2].endswith("Bob <bob@else.example> wrote:")
    assert "> Noon?" in lines
    assert ">> earlier" in lines or "> > earlier" in lines
    assert "Bob" not in lines


def test_a_reply_to_all_leaves_oneself_out() -> None:
    draft = answer(raw(*USUAL), ReplyKind.ALL)
    assert draft.to == "Bob <bob@else.example>"
    assert draft.cc == "Carol <carol@else.example>, dora@else.example"


def test_a_reply_to_ones_own_mail_goes_on_to_its_recipients() -> None:
    own = raw("From: lisa@demo.example", "To: Bob <bob@else.example>", "Cc: carol@else.example", "Subject: x")
    assert answer(own).to == "Bob <bob@else.example>"
    assert answer(own, ReplyKind.ALL).cc == "carol@else.example"
    assert answer(own).from_.address == "lisa@demo.example"


def test_reply_to_counts_but_not_that_of_a_list() -> None:
    fields = ("From: Bob <bob@else.example>", "Subject: x", "List-Post: <mailto:all@list.example?x=y>")
    assert answer(raw(*fields, "Reply-To: desk@else.example")).to == "desk@else.example"
    munged = raw(*fields, "Reply-To: All <all@list.example>", "To: all@list.example")
    assert answer(munged).to == "Bob <bob@else.example>"
    assert answer(munged, ReplyKind.LIST).to == "all@list.example"
    with pytest.raises(Unsendable, match="list"):
        answer(raw(*USUAL), ReplyKind.LIST)
    with pytest.raises(Unsendable, match="list"):
        answer(raw(*USUAL, "List-Post: NO"), ReplyKind.LIST)
    followup = raw(*fields, "To: all@list.example", "Mail-Followup-To: all@list.example")
    assert answer(followup, ReplyKind.ALL).to == "all@list.example"


def test_the_identity_is_that_the_mail_came_to() -> None:
    assert answer(raw("From: b@e.example", "To: lisa+shop@demo.example")).from_.address == "lisa@demo.example"
    hidden = raw("From: b@e.example", "To: undisclosed:;", "Delivered-To: lisa@work.example")
    assert answer(hidden).from_.address == "lisa@work.example"
    assert answer(raw("From: b@e.example")).from_.address == "lisa@demo.example"
    assert "-- \nLisa Example" in answer(raw("From: b@e.example")).body


@pytest.mark.parametrize(
    ("subject", "bare"),
    [
        ("Re: Re[2]: AW: Boats", "Boats"),
        ("Fwd: Re: Boats", "Boats"),
        ("SV: x", "x"),
        ("Regarding: x", "Regarding: x"),
        ("Re:", "Re:"),
        ("a\r\n Bcc: x", "a Bcc: x"),
        ("\x1b[31mred", "red"),
    ],
)
def test_subjects(subject: str, bare: str) -> None:
    assert " ".join(bare_subject(subject).split()) == bare


def test_nobody_to_reply_to() -> None:
    with pytest.raises(Unsendable, match="nobody"):
        answer(raw("Subject: x"))


def test_replying_adds_no_header() -> None:
    """A5."""
    hostile = raw(
        "From: =?UTF-8?Q?a=0D=0ABcc:_evil@evil.example?= <bob@else.example>",
        "Subject: =?UTF-8?Q?x=0ABcc:_evil@evil.example?=",
        "Message-ID: <a\tb@c>",
    )
    built = BytesIO()
    message = build(answer(hostile), Path(), built, message_id="1@d.example", now=0)
    assert message.recipients == ("bob@else.example",)
    assert "bcc" not in {name.lower() for name, _ in header_fields(built.getvalue())}


def test_forwarded_inline_and_as_it_is() -> None:
    mail = raw(
        *USUAL, "MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="b"',
        body="--b\r\nContent-Type: text/plain\r\n\r\nSee the map.\r\n--b\r\nContent-Type: image/png; name=map.png\r\n"
        "Content-Disposition: attachment; filename=map.png\r\n\r\nPNG\r\n--b--\r\n",
    )  # fmt: skip
    draft, parts = forward(original(mail), draft_id=ID, account="lisa", identities=IDENTITIES)
    assert draft.subject == "Fwd: Boats"
    assert draft.to == ""
    assert "See the map." in draft.body
    assert "From: Bob <bob@else.example>" in draft.body
    assert parts == ("2",)
    assert draft.forwards == "3@else.example"
    assert draft.in_reply_to == ""
    draft, parts = forward(original(mail), draft_id=ID, account="lisa", identities=IDENTITIES, inline=False)
    assert "See the map." not in draft.body
    assert parts == ()


def test_a_draft_is_continued_as_it_was_left() -> None:
    draft = Draft(
        id=ID,
        account="lisa",
        from_=Address("Lisa at work", "lisa@work.example"),
        to="bob@, Jürgen",
        cc="Müller, Jörg <joerg@else.example>",
        bcc='"Carol, D." <carol@else.example>',
        subject="Grüße aus 東京",
        body="A long paragraph " * 20 + "\n\n> a quote\n From there\n-- \nLisa\n",
        in_reply_to="3@else.example",
        references=("1@else.example", "3@else.example"),
        answers="3@else.example",
    )
    file = BytesIO()
    build(draft, Path(), file, message_id="9@demo.example", now=0, with_bcc=True, as_draft=True)
    again, parts = draft_from(file.getvalue(), draft_id=ID, account="lisa", identities=IDENTITIES)
    assert parts == ()
    assert again.to == draft.to
    assert again.bcc == draft.bcc
    assert (
        again.body.rstrip()
        == "\n".join(line if line == "-- " else line.rstrip() for line in draft.body.split("\n")).rstrip()
    )
    assert msgspec.structs.replace(again, cc=draft.cc, body=draft.body) == draft


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_continued(text: str) -> None:
    clean = "\n".join("".join(c for c in line if c.isprintable()).rstrip(" ") for line in text.split("\n")).strip()
    draft = Draft(id=ID, account="lisa", from_=Address("Lisa", "lisa@demo.example"), body=clean)
    file = BytesIO()
    build(draft, Path(), file, message_id="9@demo.example", now=0, with_bcc=True, as_draft=True)
    again, _ = draft_from(file.getvalue(), draft_id=ID, account="lisa", identities=IDENTITIES)
    build(again, Path(), second := BytesIO(), message_id="9@demo.example", now=0, with_bcc=True, as_draft=True)
    assert second.getvalue() == file.getvalue()


def check_message(source: bytes) -> None:
    """It can be replied to and forwarded, and what is built parses to what was meant."""
    what = original(source)
    drafts: list[Draft] = []
    for kind in ReplyKind:
        try:
            drafts.append(reply(what, draft_id=ID, account="lisa", identities=IDENTITIES, kind=kind))
        except Unsendable:
            continue
    drafts += [
        forward(what, draft_id=ID, account="lisa", identities=IDENTITIES, inline=inline)[0] for inline in (True, False)
    ]
    drafts.append(draft_from(source, draft_id=ID, account="lisa", identities=IDENTITIES)[0])
    for draft in drafts:
        file = BytesIO()
        build(draft, Path(), file, message_id="1@demo.example", now=0, with_bcc=True, as_draft=True)
        built = file.getvalue()
        assert max(map(len, built.split(b"\r\n"))) <= 998
        envelope = parse_envelope(built)
        assert " ".join(envelope.subject.split()) == " ".join(draft.subject.split())
        # An id beyond ASCII needs SMTPUTF8 all the way back (RFC 6532): it is left out.
        assert (
            envelope.references[-3:] == tuple(one for one in dict.fromkeys(draft.references) if is_message_id(one))[-3:]
        )
        try:
            recipients = check_recipients(draft.to)
        except Unsendable:
            continue
        if recipients:
            sent = BytesIO()
            try:
                message = build(draft, Path(), sent, message_id="1@demo.example", now=0)
            except Unsendable as error:
                if "whole e-mail address" not in error.sentence:
                    raise
                continue
            assert len(message.recipients) >= 1
            assert b"\nBcc:" not in sent.getvalue()


@pytest.mark.parametrize("every", [12, pytest.param(1, marks=[pytest.mark.slow, pytest.mark.timeout(3000)])])
def test_every_message_of_the_corpus_can_be_answered(every: int) -> None:
    require_corpus()
    for name, source in corpus_messages(every=every):
        try:
            check_message(source)
        except Exception as error:
            raise AssertionError(f"{name}: {error}"[:500]) from error


# mailto


def test_mailto_fills_what_it_may() -> None:
    """RFC 6068."""
    found = parse_mailto(
        "mailto:bob%40else.example,carol@else.example?subject=Caf%C3%A9%0D%0ABcc:%20e@e&cc=d@e.example&body=a%0D%0Ab+c"
        "&in-reply-to=%3C1@e%3E&attach=/etc/passwd&x-evil=1&Attachment=y"
    )
    assert found.to == "bob@else.example,carol@else.example"
    assert found.cc == "d@e.example"
    assert found.subject == "CaféBcc: e@e"
    assert found.body == "a\nb+c"
    assert found.in_reply_to == "1@e"
    assert found.left_out == ("attach", "x-evil", "attachment")


@pytest.mark.parametrize("url", ["http://x.example", "bob@else.example", "javascript:alert(1)", ""])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(Unsendable):
        parse_mailto(url)


@given(st.text(max_size=300))
def test_any_mailto_is_safe(text: str) -> None:
    found = parse_mailto("mailto:" + text)
    for value in (found.to, found.cc, found.bcc, found.subject):
        assert not set(value) & {"\r", "\n", "\x1b", "\0"}


# second thoughts


def thoughts(known: tuple[str, ...] = (), replies_to: str = "", **changes: object) -> str:
    draft = Draft(id=ID, account="lisa", from_=Address("Lisa", "lisa@demo.example"), to="bob@else.example", subject="x")
    return " ".join(before_sending(msgspec.structs.replace(draft, **changes), known=known, replies_to=replies_to))


def test_second_thoughts() -> None:
    """A6."""
    assert thoughts() == ""
    assert "subject" in thoughts(subject=" ")
    assert "attached" in thoughts(body="The map is attached.\n")
    assert "anbei" in thoughts(body="Anbei die Karte.\n").casefold()
    assert thoughts(body="> The map is attached.\n") == ""
    assert thoughts(body="Yes.\n\nOn Tue, Bob wrote:\nsee attachment\n") == ""
    assert "bob@else.example?" in thoughts(known=("bob@else.example",), to="bob@esle.example")
    assert "barbara@else.example?" in thoughts(known=("barbara@else.example",), to="barbra@else.example")
    assert thoughts(known=("bob@else.example",), to="ann@else.example") == ""
    assert "12 addresses" in thoughts(to=", ".join(f"a{number}@else.example" for number in range(12)))
    assert "who wrote" in thoughts(replies_to="boss@else.example", to="desk@evil.example", answers="1@e")
