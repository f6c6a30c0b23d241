"""Files that are in a mail without being MIME parts: uuencode, yEnc, winmail.dat (P1, A7)."""

from __future__ import annotations

import base64
import binascii
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mime_safety import assert_safe
from termmail.mime.parts import looks_attached, parse_message, part_bytes
from termmail.mime.render import render_message
from termmail.mime.replying import forward, original
from termmail.mime.rtf import decompress_rtf, rtf_text
from termmail.mime.text_blocks import MAX_BLOCKS, decode_uu, find_blocks
from termmail.mime.tnef import read_tnef
from termmail.model.account import Identity

CONTENT = bytes(range(256)) * 2


def uuencoded(data: bytes, name: str = "data.bin", *, with_end: bool = True) -> bytes:
    lines = b"".join(binascii.b2a_uu(data[start : start + 45]) for start in range(0, len(data), 45))
    return f"begin 644 {name}\n".encode() + lines + (b"`\nend\n" if with_end else b"")


def test_a_uuencoded_file_is_an_attachment() -> None:
    """P1: it is told in the text, listed, and comes out byte for byte."""
    raw = b"Subject: x\n\nHello,\n\n" + uuencoded(CONTENT) + b"\nBye\n" + uuencoded(b"two", "../b.txt")
    message = parse_message(raw)
    assert [(part.part_path, part.filename) for part in message.attachments] == [
        ("1~1", "data.bin"),
        ("1~2", "../b.txt"),
    ]
    assert part_bytes(raw, "1~1") == CONTENT
    assert part_bytes(raw, "1~2") == b"two"
    rendered = render_message(raw, width=80)
    text = [line.text for line in rendered.lines]
    assert text[0] == "Hello,"
    assert "[data.bin: a file in the text, uuencoded; it is among the attachments]" in text
    assert "Bye" in text
    assert len(text) < 8
    assert [part.filename for part in rendered.attachments] == ["data.bin", "../b.txt"]


def test_the_quick_look_sees_a_uuencoded_file() -> None:
    """The mark in the list is there for one that lies in the text."""
    assert looks_attached(b"Subject: x\n\nHello,\n\n" + uuencoded(CONTENT))
    assert not looks_attached(b"Subject: x\n\nThey\nbegin 644 the work\nof this week\n")


def test_a_uuencoded_file_without_an_end_takes_only_its_own_lines() -> None:
    """P1."""
    raw = b"Subject: x\n\n" + uuencoded(CONTENT, with_end=False) + b"\nand so it goes on, in small letters\n"
    assert part_bytes(raw, "1~1") == CONTENT
    assert render_message(raw, width=80).lines[-1].text == "and so it goes on, in small letters"


@pytest.mark.parametrize(
    "text",
    [b"begin 644 the work\nof this week\n", b"We begin 644 x\nM123\n", b"begin at nine\nend\n", b"begin 644 a\n"],
)
def test_prose_that_begins_is_no_file(text: bytes) -> None:
    """P1."""
    raw = b"Subject: x\n\n" + text
    assert not parse_message(raw).attachments
    assert render_message(raw, width=80).lines[0].text == text.split(b"\n")[0].decode()


def test_yenc_is_told_and_stays() -> None:
    """P1, A7."""
    raw = b"Subject: x\n\nhere\n=ybegin line=128 size=584 name=pic\x1b[2J.jpg\n\x89\x90\xa0\n=yend size=584\nbye\n"
    rendered = render_message(raw, width=120)
    assert [line.text for line in rendered.lines] == [
        "here",
        "[pic.jpg: a file in the text in yEnc encoding, 584 bytes; save the whole message to decode it]",
        "bye",
    ]
    assert not rendered.attachments


def test_very_many_blocks() -> None:
    """P5."""
    assert len(find_blocks(uuencoded(b"x") * 500)) == MAX_BLOCKS


@given(st.binary(max_size=500), st.binary(max_size=50))
def test_uuencode_round_trip(data: bytes, junk: bytes) -> None:
    """P1."""
    block = find_blocks(b"\n" + uuencoded(data) if data else uuencoded(b"x"))[0]
    assert block.name == "data.bin"
    assert decode_uu(uuencoded(data)) == data
    find_blocks(junk + uuencoded(data) + junk)


# winmail.dat


def attribute(name: int, value: bytes, level: int = 1) -> bytes:
    return struct.pack("<BII", level, name, len(value)) + value + struct.pack("<H", sum(value) & 0xFFFF)


def unicode_property(name: int, text: str) -> bytes:
    value = text.encode("utf-16-le") + b"\0\0"
    return struct.pack("<HHII", 0x1F, name, 1, len(value)) + value + b"\0" * (-len(value) % 4)


def binary_property(name: int, value: bytes, kind: int = 0x102) -> bytes:
    return struct.pack("<HHII", kind, name, 1, len(value)) + value + b"\0" * (-len(value) % 4)


def tnef(*attributes: bytes) -> bytes:
    return struct.pack("<IH", 0x223E9F78, 1) + b"".join(attributes)


def properties(*values: bytes) -> bytes:
    return struct.pack("<I", len(values)) + b"".join(values)


RTF = b"{\\rtf1\\ansi\\ansicpg1252{\\fonttbl{\\f0 Arial;}}\\pard Dear \\b Lisa\\b0,\\par caf\\'e9 \\u8364? soon\\par}"
WINMAIL = tnef(
    attribute(0x00069003, properties(binary_property(0x1009, struct.pack("<IIII", 0, len(RTF), 0x414C454D, 0) + RTF))),
    attribute(0x00069002, b"\0" * 14, 2),
    attribute(0x00018010, b"SHORT~1.TXT\0", 2),
    attribute(0x0006800F, b"the file", 2),
    attribute(0x00069005, properties(struct.pack("<HHI", 3, 0x3705, 1), unicode_property(0x3707, "über.txt")), 2),
)


def mail_with(data: bytes, text: bytes = b"") -> bytes:
    return (
        b"Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n"
        + text
        + b"\n--b\nContent-Type: application/ms-tnef;"
        b' name="winmail.dat"\nContent-Transfer-Encoding: base64\n\n' + base64.encodebytes(data) + b"--b--\n"
    )


def test_what_a_winmail_holds_is_listed_and_read() -> None:
    """P1: its files are attachments, and its text is shown where the mail has no other."""
    raw = mail_with(WINMAIL)
    message = parse_message(raw)
    assert [(part.part_path, part.filename, part.content_type) for part in message.attachments] == [
        ("2~1", "über.txt", "text/plain")
    ]
    assert part_bytes(raw, "2~1") == b"the file"
    assert part_bytes(raw, "2") == WINMAIL
    rendered = render_message(raw, width=80)
    assert [line.text for line in rendered.lines if line.text] == ["Dear Lisa,", "café € soon"]


def test_a_forward_takes_along_what_a_winmail_holds() -> None:
    """Rather than the winmail.dat, which few can read."""
    what = original(mail_with(WINMAIL))
    _, paths = forward(what, draft_id="d", account="lisa", identities=[Identity("Lisa", "lisa@demo.example")])
    assert paths == ("2~1",)


def test_the_text_of_a_winmail_is_not_shown_twice() -> None:
    """P1."""
    rendered = render_message(mail_with(WINMAIL, b"Dear Lisa, as plain text"), width=80)
    assert [line.text for line in rendered.lines] == ["Dear Lisa, as plain text"]


def test_a_winmail_within_a_winmail() -> None:
    """P1, P5: an attached message, and a stream that holds itself many times is not followed for ever."""
    data = WINMAIL
    for _ in range(10):
        inner = properties(
            struct.pack("<HHI", 3, 0x3705, 5),
            binary_property(0x3701, b"i" * 16 + data, 0x0D),
            unicode_property(0x3707, "Mail"),
        )
        data = tnef(attribute(0x00069002, b"", 2), attribute(0x00069005, inner, 2))
    paths = [part.part_path for part in parse_message(mail_with(data)).parts]
    assert "2~1~1~1" in paths
    assert len(paths) < 8


def test_a_winmail_that_can_not_be_read_can_be_saved() -> None:
    """P1."""
    raw = mail_with(b"not TNEF at all")
    rendered = render_message(raw, width=80)
    assert rendered.notes == ("Its winmail.dat can't be read, or only in part. It can be saved as it is.",)
    assert [part.filename for part in rendered.attachments] == ["winmail.dat"]
    assert part_bytes(raw, "2") == b"not TNEF at all"


@given(st.data())
def test_broken_winmails(data: st.DataObject) -> None:
    """P1, P15: cut, or with bytes changed."""
    broken = bytearray(WINMAIL[: data.draw(st.integers(0, len(WINMAIL)))])
    for _ in range(data.draw(st.integers(0, 6))):
        if broken:
            broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    read_tnef(bytes(broken))
    assert_safe(render_message(mail_with(bytes(broken)), width=80))


def test_rtf_as_outlook_compresses_it() -> None:
    """P1: the example of [MS-OXRTFCP] §4.1.1."""
    data = bytes.fromhex(
        "2d000000 2b000000 4c5a4675 f1c5c7a7 03000a00 72637067 31323542 320af320 68656c09 00200562 772d0000 0000".replace(
            " ", ""
        )
    )
    assert decompress_rtf(data).rstrip(b"\r\n").startswith(b"{\\rtf1\\ansi\\ansicpg1252\\pard hello")


@given(st.binary(max_size=400))
def test_any_rtf(data: bytes) -> None:
    """P15."""
    rtf_text(data)
    decompress_rtf(struct.pack("<IIII", 0, 100_000, 0x75465A4C, 0) + data)
