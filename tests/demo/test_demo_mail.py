"""The sample mail is valid, believable and points at nobody."""

from __future__ import annotations

import datetime
import email
import email.policy
import re
import struct
import unicodedata
import zlib
from collections import Counter
from email.message import EmailMessage

import pytest

from termmail.demo.compose import Clock, Pen, Sample, flowed, say
from termmail.demo.files import lighthouse_png, text_pdf, tide_csv
from termmail.demo.mail import MAILBOXES, USERS, demo_mail
from termmail.demo.people import BOB, LISA

NOW = datetime.datetime(2026, 3, 14, 15, 20, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))
RESERVED = re.compile(r"(^|\.)(example(\.(org|com|net))?|test|invalid|localhost)$")


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return demo_mail(NOW)


def parse(sample: Sample) -> EmailMessage:
    message = email.message_from_bytes(sample.raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def lisa(samples: list[Sample]) -> list[Sample]:
    return [sample for sample in samples if sample.user == LISA.address]


def test_some_forty_messages_in_all_mailboxes(samples: list[Sample]) -> None:
    mine = lisa(samples)
    assert 40 <= len(mine) <= 55
    assert {sample.mailbox for sample in mine} == set(MAILBOXES)
    assert {sample.user for sample in samples} == set(USERS)
    inbox = [sample for sample in mine if sample.mailbox == "INBOX"]
    assert sum("\\Seen" not in sample.flags for sample in inbox) >= 5
    assert sum("\\Flagged" in sample.flags for sample in inbox) >= 3
    assert any("\\Answered" in sample.flags for sample in inbox)


def test_every_message_parses_without_a_defect(samples: list[Sample]) -> None:
    ids = Counter(str(parse(sample)["Message-ID"]) for sample in samples)
    assert set(ids.values()) == {1}
    for sample in samples:
        for part in parse(sample).walk():
            assert not part.defects, sample.raw
            if part.get_content_maintype() == "text" and "Action" not in part and "Reporting-MTA" not in part:
                assert part.get_content()
        assert b"\n" not in sample.raw.replace(b"\r\n", b"")
        assert max(map(len, sample.raw.split(b"\r\n"))) <= 998


def test_only_reserved_domains_are_named(samples: list[Sample]) -> None:
    """RFC 2606, RFC 6761, RFC 5737, or an inner network's."""
    for sample in samples:
        text = sample.raw.decode("latin-1")
        for part in parse(sample).walk():
            if part.get_content_maintype() == "text":
                text += part.get_content()
        for host in re.findall(r"(?:@|//)((?:[a-z0-9-]+\.)+[a-z]{2,})\b", text):
            assert RESERVED.search(host), host
        for address in re.findall(r"\[(\d+\.\d+\.\d+\.\d+)\]", text):
            assert address.startswith(("192.0.2.", "198.51.100.", "203.0.113.", "192.168.", "127.")), address


def test_nothing_comes_from_the_future(samples: list[Sample]) -> None:
    """Also at midnight, when nothing of today has happened yet."""
    for now in (NOW, NOW.replace(hour=0, minute=1)):
        assert all(sample.received <= now for sample in demo_mail(now))
    assert any(sample.received.date() == NOW.date() for sample in samples)
    assert any(NOW - sample.received > datetime.timedelta(days=365) for sample in samples)


def test_the_long_thread_is_one(samples: list[Sample]) -> None:
    """Each reply names its parent last in References (RFC 5322 §3.6.4)."""
    thread = {
        str(parse(sample)["Message-ID"]): parse(sample)
        for sample in lisa(samples)
        if "Which lens" in str(parse(sample)["Subject"])
    }
    assert len(thread) >= 10
    assert len({str(message["From"]) for message in thread.values()}) >= 5
    replies = [message for message in thread.values() if message["In-Reply-To"]]
    assert len(replies) == len(thread) - 1
    for message in replies:
        references = str(message["References"]).split()
        assert references[-1] == str(message["In-Reply-To"])
        assert set(references) <= set(thread)


def test_at_least_six_scripts_and_several_charsets(samples: list[Sample]) -> None:
    scripts: set[str] = set()
    charsets: set[str] = set()
    for sample in samples:
        for part in parse(sample).walk():
            if part.get_content_type() == "text/plain":
                charsets.add(str(part.get_content_charset()))
                scripts |= {
                    unicodedata.name(letter, "?").split()[0] for letter in part.get_content() if letter.isalpha()
                }
    assert {"LATIN", "CYRILLIC", "GREEK", "ARABIC", "HEBREW", "CJK", "HIRAGANA", "DEVANAGARI"} <= scripts
    assert {"utf-8", "koi8-r", "iso-2022-jp", "us-ascii"} <= charsets
    assert any("🎉" in str(parse(sample)["Subject"]) for sample in samples)


@pytest.mark.parametrize(
    "kind",
    [
        "text/html",
        "text/calendar",
        "text/csv",
        "image/png",
        "application/pdf",
        "multipart/signed",
        "application/pgp-signature",
        "multipart/report",
        "message/delivery-status",
        "message/rfc822",
    ],
)
def test_there_is_a_part_of_each_kind(samples: list[Sample], kind: str) -> None:
    assert any(part.get_content_type() == kind for sample in lisa(samples) for part in parse(sample).walk())


def test_the_patch_is_verbatim(samples: list[Sample]) -> None:
    (patch,) = [parse(sample) for sample in samples if "[PATCH" in str(parse(sample)["Subject"])]
    text = patch.get_content().replace("\r\n", "\n")
    assert "\n \n     @classmethod" in text
    assert text.rstrip().endswith("-- \n2.47.1")
    hunks = re.findall(r"^@@ -\d+,(\d+) \+\d+,(\d+) @@.*\n((?:(?!-- )[ +-].*\n)+)", text, re.MULTILINE)
    assert len(hunks) == 2
    for old, new, body in hunks:
        lines = body.splitlines()
        assert sum(line[0] in " -" for line in lines) == int(old)
        assert sum(line[0] in " +" for line in lines) == int(new)


def test_the_phishing_link_lies(samples: list[Sample]) -> None:
    """D8: the text of the link is not where it leads."""
    (phish,) = [parse(sample) for sample in samples if "mailbox is 99" in str(parse(sample)["Subject"])]
    html = phish.get_body(("html",))
    assert html is not None
    (link,) = re.findall(r'<a href="https?://([^/"]+)[^"]*">https://([^/<]+)', html.get_content())
    assert link[0] != link[1]


def test_flowed_text_reads_back() -> None:
    """RFC 3676: soft breaks end in a space, quotes keep their depth, indented lines and the signature stay."""
    paragraph = "word " * 30 + "end"
    text = f"""
    {paragraph[:90]}
    {paragraph[90:]}

    > {paragraph}
      kept as it is
    --
    me
    """
    lines = flowed(text).split("\n")
    assert all(len(line) <= 74 for line in lines)
    assert "   kept as it is" in lines
    assert "-- " in lines
    body = lines[: lines.index("")]
    assert len(body) == 3
    assert all(line.endswith(" ") for line in body[:-1])
    assert not body[-1].endswith(" ")
    quoted = [line for line in lines if line.startswith("> ")]
    assert len(quoted) == 3
    assert " ".join(line[2:].strip() for line in quoted) == paragraph


def test_a_reply_without_relay_has_no_trace() -> None:
    """What Lisa sent herself carries no Received field."""
    pen = Pen(Clock(NOW), LISA.address)
    pen.deliver(say(pen.write(sender=LISA, to=[BOB], subject="x", when=NOW), "hello"), "Sent")
    assert b"Received" not in pen.samples[0].raw


def test_the_picture_is_a_png() -> None:
    data = lighthouse_png(48, 32)
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    position, kinds, pixels = 8, [], b""
    while position < len(data):
        (size,) = struct.unpack(">I", data[position : position + 4])
        kind, body = data[position + 4 : position + 8], data[position + 8 : position + 8 + size]
        assert struct.unpack(">I", data[position + 8 + size : position + 12 + size])[0] == zlib.crc32(kind + body)
        kinds.append(kind)
        pixels += body if kind == b"IDAT" else b""
        position += 12 + size
    assert kinds == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    assert len(zlib.decompress(pixels)) == 32 * (48 + 1)


def test_the_pdf_finds_its_objects() -> None:
    data = text_pdf(["a (b) \\ c"])
    table = int(data.split(b"startxref\n")[1].split(b"\n")[0])
    assert data[table:].startswith(b"xref\n0 6\n")
    for number, row in enumerate(data[table:].split(b"\n")[3:8], 1):
        assert data[int(row.split()[0]) :].startswith(b"%d 0 obj" % number)
    assert b"(a \\(b\\) \\\\ c) Tj" in data


def test_the_readings_are_csv() -> None:
    rows = tide_csv(2).decode().splitlines()
    assert len(rows) == 1 + 2 * 4
    assert all(row.count(",") == 3 for row in rows)
