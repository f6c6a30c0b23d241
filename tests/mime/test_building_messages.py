"""What was written is what is read: by our own parser and by the standard library's (A5, O6 to O8, P14)."""

from __future__ import annotations

import email
import email.policy
import tracemalloc
from email.message import EmailMessage
from io import BytesIO
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from termmail.mime.addressing import check_recipients, format_addresses, parse_recipients
from termmail.mime.building import build, new_message_id, redirect
from termmail.mime.flowed import SIGNATURE_MARK, flow, unflow
from termmail.mime.headers import header_fields, parse_envelope
from termmail.mime.parts import parse_message, part_bytes
from termmail.model.errors import Unsendable
from termmail.model.message import Address
from termmail.model.outgoing import Draft, DraftAttachment, OutgoingMessage

MESSAGE_ID = "0123@demo.example"
DRAFT = Draft(id="0" * 16, account="lisa", from_=Address("Lisa", "lisa@demo.example"), to="bob@else.example")

_names = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=60).map(
    lambda text: " ".join(text.split())
)
_addresses = st.lists(
    st.builds(Address, _names.filter(lambda name: "@" not in name), st.just("bob@else.example")), min_size=1, max_size=5
)
_texts = st.text(max_size=300)


def built(
    draft: Draft, folder: Path = Path(), *, with_bcc: bool = False, as_draft: bool = False
) -> tuple[bytes, OutgoingMessage]:
    file = BytesIO()
    message = build(draft, folder, file, message_id=MESSAGE_ID, now=1_790_000_000, with_bcc=with_bcc, as_draft=as_draft)
    raw = file.getvalue()
    assert message.size == len(raw)
    assert raw.count(b"\n") == raw.count(b"\r\n") == raw.count(b"\r")
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    return raw, message


def of(**changes: object) -> Draft:
    return msgspec.structs.replace(DRAFT, **changes)


def stdlib(raw: bytes) -> EmailMessage:
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


@settings(deadline=None)
@given(subject=_texts, to=_addresses, cc=_addresses)
def test_any_header_is_read_as_it_was_meant(subject: str, to: list[Address], cc: list[Address]) -> None:
    draft = of(subject=subject, to=format_addresses(to), cc=format_addresses(cc))
    assert [one.address for one in parse_recipients(draft.to)] == [one.address for one in to]
    raw, message = built(draft)
    header = raw.partition(b"\r\n\r\n")[0]
    assert header.isascii()
    envelope = parse_envelope(header)
    assert [one.address for one in envelope.to] == [one.address for one in to]
    assert message.recipients == ("bob@else.example",)
    theirs = stdlib(raw)
    assert " ".join(str(theirs["Subject"]).split()) == " ".join(envelope.subject.split())
    assert [name.lower() for name in theirs.keys()] == [name.lower() for name, _ in header_fields(raw)]  # noqa: SIM118


@settings(deadline=None)
@given(text=_texts)
def test_any_text_is_read_as_it_was_typed(text: str) -> None:
    raw, _ = built(of(body=text))
    parsed = parse_message(raw)
    assert parsed.text_part is not None
    ours = part_bytes(raw, parsed.text_part.part_path).decode("utf-8").replace("\r\n", "\n")
    typed = "\n".join(line.rstrip(" ") if line != SIGNATURE_MARK else line for line in flow(text).split("\n"))
    assert [line.rstrip(" ") for line in ours.rstrip("\n").split("\n")] == [
        line.rstrip(" ") for line in typed.rstrip("\n").encode("utf-8", "replace").decode().split("\n")
    ]


@settings(deadline=None)
@given(
    paragraphs=st.lists(
        st.text(
            st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_categories=("Cc", "Zs", "Zl", "Zp")),
            max_size=12,
        ),
        max_size=60,
    ).map(" ".join)
)
def test_a_paragraph_is_whole_again_for_who_reads_it(paragraphs: str) -> None:
    """RFC 3676: what was one line here is one line there."""
    line = " ".join(paragraphs.split())
    if not line.startswith(">") and line != "--":
        assert unflow(flow(line)) == line


def test_quotes_flow_within_their_depth() -> None:
    text = "> > " + "word " * 40 + "end\n> short\nmine"
    flowed = flow(text)
    assert all(line.startswith(">>") for line in flowed.split("\n")[:3])
    assert unflow(flowed) == ">> " + "word " * 40 + "end\n> short\nmine"


def test_the_signature_mark_stays(tmp_path: Path) -> None:
    raw, _ = built(of(body="Hi\n\n-- \nLisa\n"))
    assert b"\r\n-- \r\nLisa" in raw


def test_nothing_tells_on_the_writer(tmp_path: Path) -> None:
    """O6."""
    (tmp_path / "a").write_bytes(b"data")
    attachment = DraftAttachment("/home/lisa/secret/plan.txt", "text/plain", "a", 4)
    raw, message = built(of(bcc="Carol <carol@else.example>", attachments=(attachment,), subject="Plan"), tmp_path)
    assert b"carol" not in raw.lower()
    assert "carol@else.example" in message.recipients
    assert b"/home" not in raw
    assert b"User-Agent" not in raw
    assert b"X-" not in raw.partition(b"\r\n\r\n")[0]
    (date,) = [value for name, value in header_fields(raw) if name == "Date"]
    assert b"(" not in date
    assert new_message_id("lisa@demo.example").endswith("@demo.example")
    assert new_message_id("lisa@bücher.example").endswith("@xn--bcher-kva.example")


@pytest.mark.parametrize(
    "subject",
    [
        "a\r\nBcc: evil@evil.example",
        "a\nBcc: evil@evil.example",
        "=?UTF-8?Q?=0ABcc:_evil@evil.example?=",
        "a\x00\x1b]0;b\x07",
        "a\u2028b",
    ],
)
def test_a_subject_adds_no_field(subject: str) -> None:
    """A5."""
    raw, message = built(of(subject=subject))
    assert [name.lower() for name, _ in header_fields(raw)].count("bcc") == 0
    assert "bcc" not in {name.lower() for name in stdlib(raw)}
    assert message.recipients == ("bob@else.example",)


def test_ids_are_never_encoded_nor_cut() -> None:
    """O8: Exchange's are long, and of odd characters."""
    odd = "[" + "A" * 180 + "%$=?]@else.example"
    raw, _ = built(of(in_reply_to=odd, references=(*(f"r{number}@else.example" for number in range(40)), odd)))
    assert f"<{odd}>".encode() in raw
    envelope = parse_envelope(raw)
    assert envelope.in_reply_to == odd
    assert envelope.references[0] == "r0@else.example"
    assert envelope.references[-1] == odd
    assert len(envelope.references) == 20
    raw, _ = built(of(in_reply_to="a b", references=("x\r\nBcc: e@e", "ok@else.example")))
    assert parse_envelope(raw).in_reply_to == ""
    assert parse_envelope(raw).references == ("ok@else.example",)


@pytest.mark.parametrize(
    "name",
    [
        "plan.txt",
        "Pläne für März.pdf",
        "日本語の長い名前" * 12 + ".txt",
        'a"b\\c.txt',
        "x" * 200 + ".txt",
        "../../etc/passwd",
        "a\r\nb.txt",
    ],
)
def test_file_names_in_any_script(name: str, tmp_path: Path) -> None:
    """RFC 2231."""
    data = bytes(range(256)) * 3
    (tmp_path / "f").write_bytes(data)
    raw, _ = built(of(attachments=(DraftAttachment(name, "application/pdf", "f", len(data)),)), tmp_path)
    wanted = name.replace("\r\n", " ").rpartition("/")[2]
    parsed = parse_message(raw)
    (part,) = parsed.attachments
    assert part.filename == wanted
    assert part_bytes(raw, part.part_path) == data
    (theirs,) = stdlib(raw).iter_attachments()
    assert theirs.get_filename() == wanted
    assert theirs.get_content() == data


def test_a_message_is_attached_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"Subject: inner\n\nGr\xc3\xbc\xc3\x9fe\n")
    raw, message = built(of(attachments=(DraftAttachment("m.eml", "message/rfc822", "m", 30),)), tmp_path)
    assert message.eight_bit
    assert b"Subject: inner\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n" in raw
    (tmp_path / "m").write_bytes(b"Subject: inner\n\n" + b"x" * 2000)
    raw, message = built(of(attachments=(DraftAttachment("m.eml", "message/rfc822", "m", 30),)), tmp_path)
    assert not message.eight_bit


def test_a_large_attachment_needs_little_memory(tmp_path: Path) -> None:
    """O11."""
    with (tmp_path / "big").open("wb") as file:
        file.truncate(40_000_000)
    draft = of(attachments=(DraftAttachment("big.bin", "application/octet-stream", "big", 40_000_000),))
    with (tmp_path / "out").open("wb") as file:
        tracemalloc.start()
        message = build(draft, tmp_path, file, message_id=MESSAGE_ID, now=0)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert message.size > 54_000_000
    assert peak < 4_000_000


@pytest.mark.parametrize("typed", ["bob@", "bob", "@else.example", "bob@else..example", "bob@-x.example", '"bob'])
def test_half_an_address_is_named(typed: str) -> None:
    with pytest.raises(Unsendable):
        built(of(to=typed))


def test_nobody_to_send_to() -> None:
    with pytest.raises(Unsendable, match="nobody"):
        built(of(to="  "))


def test_other_scripts_in_addresses() -> None:
    """RFC 6531: only what is before the @ needs it."""
    raw, message = built(of(to="Bücher <info@bücher.example>"))
    assert message.recipients == ("info@xn--bcher-kva.example",)
    assert not message.utf8
    raw, message = built(of(to="Михаил <михаил@почта.example>"))
    assert message.recipients == ("михаил@почта.example",)
    assert message.utf8
    assert [one.address for one in parse_envelope(raw).to] == ["михаил@почта.example"]


def test_each_recipient_once() -> None:
    _, message = built(of(to="bob@else.example, BOB@else.example", cc="bob@else.example; carol@else.example"))
    assert message.recipients == ("bob@else.example", "carol@else.example")


@pytest.mark.parametrize("typed", [",", ";;", "()", "undisclosed:;"])
def test_a_field_with_nobody_in_it(typed: str) -> None:
    raw, _ = built(of(cc=typed))
    assert "cc" not in {name.lower() for name, _ in header_fields(raw)}
    raw, _ = built(of(cc=typed), as_draft=True)
    assert dict(header_fields(raw))["Cc"].strip() == typed.encode()


def test_a_draft_keeps_what_was_typed() -> None:
    draft = of(to="bob@, Jürgen", cc="", bcc="Carol <carol@else.example>", answers="a@b", in_reply_to="a@b")
    raw, _ = built(draft, with_bcc=True, as_draft=True)
    fields = dict(header_fields(raw))
    assert parse_envelope(raw).bcc == (Address("Carol", "carol@else.example"),)
    assert fields["X-Termmail-Answers"].strip() == b"<a@b>"
    assert "bob@" in str(stdlib(raw)["To"])


def test_a_redirected_message_is_the_same_but_for_what_is_before_it() -> None:
    received = b"From: a@b.example\r\nSubject: =?x?= odd\r\n\r\n\xff body\r\n"
    file = BytesIO()
    message = redirect(
        BytesIO(received),
        file,
        sender=DRAFT.from_,
        to=check_recipients("Bob <bob@else.example>"),
        message_id="n@b",
        now=0,
    )
    assert file.getvalue().endswith(received)
    assert message.recipients == ("bob@else.example",)
    assert message.eight_bit
    assert message.size == len(file.getvalue())
