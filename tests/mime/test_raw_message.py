"""Messages that other programs hand over, made fit for SMTP (O6, O7, A5)."""

from __future__ import annotations

import tracemalloc
from io import BytesIO
from pathlib import Path

import pytest

from termmail.mime.raw_message import UnknownUser, read_raw
from termmail.model.errors import Unsendable
from termmail.model.message import Address
from termmail.model.outgoing import OutgoingMessage

LISA = Address("Lisa Example", "lisa@example.org")
NOW = 1_700_000_000.0
WHOLE = (
    b"From: Lisa <lisa@example.org>\r\nDate: Mon, 1 Jan 2024 10:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n"
    b"To: bob@else.example\r\nSubject: Boats\r\n"
)


def written(
    raw: bytes, *to: str, sender: str | None = None, users: dict[str, str] | None = None, dot_ends: bool = False
) -> tuple[bytes, OutgoingMessage]:
    message = read_raw(BytesIO(raw), dot_ends=dot_ends)
    file = BytesIO()
    done = message.write(
        file,
        author=LISA,
        sender=sender,
        recipients=to or message.recipients(),
        now=NOW,
        qualify=(users or {}).get,
    )
    assert done.size == len(file.getvalue())
    return file.getvalue(), done


def test_a_whole_message_stays_as_it_is() -> None:
    raw = WHOLE + b"\r\nWhen do they go?\r\n..\r\n"
    data, done = written(raw)
    assert data == raw
    assert done == OutgoingMessage(
        sender="lisa@example.org",
        recipients=("bob@else.example",),
        subject="Boats",
        message_id_header="1@example.org",
        size=len(raw),
        eight_bit=False,
        utf8=False,
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"a\nb\n", b"a\r\nb\r\n"),
        (b"a\r\nb", b"a\r\nb\r\n"),
        (b"a\rb\r\r\n", b"a\r\nb\r\n"),
        (b"", b""),
        (b"\n\na", b"\r\n\r\na\r\n"),
    ],
)
def test_line_ends_are_crlf(body: bytes, expected: bytes) -> None:
    """O7: and no bare CR or LF is left."""
    data, _ = written(WHOLE.replace(b"\r\n", b"\n") + b"\n" + body)
    assert data == WHOLE + b"\r\n" + expected


def test_what_is_missing_is_added() -> None:
    data, done = written(b"To: bob@else.example\nSubject: Boats\n\nHello\n")
    header = data.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert header[0].startswith(b"Date: ")
    assert header[1] == b"From: Lisa Example <lisa@example.org>"
    assert header[2] == b"Message-ID: <" + done.message_id_header.encode() + b">"
    assert done.message_id_header.endswith("@example.org")
    assert header[3:] == [b"To: bob@else.example", b"Subject: Boats"]


def test_a_text_alone_is_a_body() -> None:
    data, _ = written(b"disk full\non /home\n", "bob@else.example")
    assert data.endswith(b"\r\n\r\ndisk full\r\non /home\r\n")


def test_hidden_recipients_get_it_and_are_not_told_of() -> None:
    """O6."""
    data, done = written(
        WHOLE + b"Bcc: carol@else.example,\r\n dave@else.example\r\nReturn-Path: <x@y.example>\r\n\r\nHello\r\n"
    )
    assert done.recipients == ("bob@else.example", "carol@else.example", "dave@else.example")
    assert data == WHOLE + b"\r\nHello\r\n"


def test_those_of_resent_fields_alone_where_there_are_some() -> None:
    data, done = written(
        b"Resent-To: carol@else.example\r\nResent-Bcc: dave@else.example\r\nResent-From: lisa@example.org\r\n"
        + WHOLE
        + b"\r\n"
    )
    assert done.recipients == ("carol@else.example", "dave@else.example")
    assert b"Resent-Bcc" not in data
    assert data.startswith(b"Resent-To: carol@else.example\r\n")


def test_groups_names_and_doubles() -> None:
    raw = b'To: Team: "a, b" <a@x.example>, B@x.example;, =?utf-8?q?c=2C?= <c@x.example>\nCc: A@X.example\nBcc: undisclosed:;\n\n'
    assert written(raw)[1].recipients == ("a@x.example", "B@x.example", "c@x.example")


def test_thousands_of_recipients_are_not_cut() -> None:
    many = [f"n{number}@else.example" for number in range(5000)]
    raw = b"To: " + ",\n ".join(many).encode() + b"\n\nHello\n"
    assert written(raw)[1].recipients == tuple(many)


def test_a_mailbox_file_s_first_line_is_dropped() -> None:
    data, _ = written(b"From lisa@example.org Mon Jan  1 10:00:00 2024\n" + WHOLE + b"\n")
    assert data == WHOLE + b"\r\n"


def test_a_dot_alone_ends_it_where_it_is_asked_for() -> None:
    assert written(WHOLE + b"\na\n.\nb\n", dot_ends=True)[0] == WHOLE + b"\r\na\r\n"
    assert written(WHOLE + b"\na\n.\nb\n")[0] == WHOLE + b"\r\na\r\n.\r\nb\r\n"


@pytest.mark.parametrize(("body", "charset"), [("Grüße\n".encode(), b"utf-8"), (b"Gr\xfc\xdfe\n", b"unknown-8bit")])
def test_eight_bit_text_is_declared(body: bytes, charset: bytes) -> None:
    data, done = written(WHOLE + b"\r\n" + body)
    assert data == WHOLE + (
        b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset="
        + charset
        + b"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    ) + body.replace(b"\n", b"\r\n")
    assert done.eight_bit
    assert not done.utf8


def test_a_long_eight_bit_text_is_moved_whole() -> None:
    body = b"".join(b"%07d \xc3\xbc\r\n" % number for number in range(300_000))
    data, _ = written(WHOLE + b"\r\n" + body)
    assert data.endswith(b"8bit\r\n\r\n" + body)


def test_a_mime_header_gets_its_version() -> None:
    data, done = written(WHOLE + b"Content-Type: text/html\r\n\r\n<p>\xff\r\n")
    assert data == WHOLE + b"Content-Type: text/html\r\nMIME-Version: 1.0\r\n\r\n<p>\xff\r\n"
    assert done.eight_bit


def test_text_in_the_header_needs_no_smtputf8() -> None:
    """O7: what can be encoded is."""
    data, done = written(
        "To: Jörg <joerg@else.example>\nSubject: Grüße\nX-Cron-Env: <HOME=/home/jörg>\nFrom: Lisa <lisa@example.org>\n\n".encode()
    )
    assert data.isascii()
    assert (done.utf8, done.eight_bit, done.subject) == (False, False, "Grüße")
    assert b"?= <joerg@else.example>\r\n" in data


def test_an_address_in_another_script_needs_it() -> None:
    _, done = written("To: jörg@else.example\n\n".encode())
    assert done.recipients == ("jörg@else.example",)
    assert done.utf8
    assert done.eight_bit


def test_names_of_this_computer() -> None:
    """As cron writes them."""
    raw = b"From: root (Cron Daemon)\nTo: lisa\nSubject: Cron <lisa@host> true\n\nhello\n"
    data, done = written(raw, "lisa", users={"lisa": "lisa@example.org", "root": "lisa@example.org"})
    assert done.recipients == ("lisa@example.org",)
    assert b"From: Cron Daemon <lisa@example.org>\r\n" in data
    assert b"To: lisa@example.org\r\n" in data
    with pytest.raises(UnknownUser, match="“lisa” is no e-mail address"):
        written(raw)


def test_the_envelope_s_sender() -> None:
    assert written(WHOLE + b"\n", sender="")[1].sender == ""
    assert written(WHOLE + b"\n", sender="bounces@example.org")[1].sender == "bounces@example.org"
    with pytest.raises(Unsendable):
        written(WHOLE + b"\n", sender="a b@example.org")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (WHOLE + b"\r\n" + b"x" * 999 + b"\r\n", "longer than 998"),
        (WHOLE + b"X: " + b"x" * 999 + b"\r\n\r\n", "longer than 998"),
        (WHOLE + b"X: a\rBcc: eve@evil.example\r\n\r\n", "carriage return"),
        (WHOLE + b"X: a\r\n b\rBcc: eve@evil.example\r\n\r\n", "carriage return"),
        (WHOLE + b"X: a\0b\r\n\r\n", "NUL"),
        (WHOLE + b"\r\na\0b\r\n", "NUL"),
        (WHOLE + b"no field at all\r\n\r\nHello\r\n", "no header field"),
        (WHOLE + b"From: Eve <eve@evil.example>\r\n\r\n", "more than one From"),
        (WHOLE.replace(b"To: bob@else.example\r\n", b"") + b"\r\nHello\r\n", "nobody"),
        (WHOLE.replace(b"bob@else.example", b"bob@else@example") + b"\r\n", "not a whole e-mail address"),
        (WHOLE.replace(b"bob@else.example", b"undisclosed:;") + b"\r\n", "nobody"),
        (WHOLE + b"X: a\r\n" * 60_000, "too long"),
    ],
)
def test_what_cannot_be_sent(raw: bytes, said: str) -> None:
    """O7, A5: refused with what is to be changed, before anything is kept."""
    with pytest.raises(Unsendable, match=said):
        written(raw)


def test_a_bare_newline_in_a_field_s_text_makes_no_field() -> None:
    """A5: what an encoded word hides stays within its field."""
    data, _ = written("Subject: =?utf-8?q?a=0D=0ABcc:_eve@evil.example?= ü\nTo: bob@else.example\n\n".encode())
    assert b"\r\nBcc" not in data
    assert b"\nBcc" not in data


def test_memory_is_bounded(tmp_path: Path) -> None:
    """O11: 40 MB stream through."""
    source = tmp_path / "source"
    with source.open("wb") as file:
        file.write(WHOLE + b"\r\n")
        for _ in range(400):
            file.write(b"x" * 98 + b"\r\n" + (b"y" * 998 + b"\r\n") * 100)
    tracemalloc.start()
    try:
        with source.open("rb") as raw, (tmp_path / "goal").open("w+b") as goal:
            message = read_raw(raw)
            message.write(goal, author=LISA, sender=None, recipients=message.recipients(), now=NOW)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (tmp_path / "goal").stat().st_size == source.stat().st_size > 40_000_000
    assert peak < 4_000_000
