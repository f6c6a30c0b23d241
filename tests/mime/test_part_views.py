"""One part looked at in place: mail in mail, tables, contacts, PDF, text; and what can't be shown says so (P1)."""

from __future__ import annotations

import base64
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mime_safety import assert_safe
from termmail.mime.image_size import image_size
from termmail.mime.part_view import view_part
from termmail.mime.parts import listed_parts, part_bytes
from termmail.mime.render import render_message
from termmail.mime.save_names import save_name
from termmail.mime.width import cell_width


def mail(content_type: str, data: bytes, name: str = "") -> bytes:
    disposition = f'Content-Disposition: attachment; filename="{name}"\n' if name else ""
    return (
        b"Subject: x\nContent-Type: multipart/mixed; boundary=outer\n\n--outer\n\ntext\n--outer\n"
        + f"Content-Type: {content_type}\n{disposition}Content-Transfer-Encoding: base64\n\n".encode()
        + base64.encodebytes(data)
        + b"--outer--\n"
    )


def view(content_type: str, data: bytes, name: str = "", width: int = 60) -> list[str]:
    rendered = view_part(mail(content_type, data, name), "2", width=width)
    assert_safe(rendered)
    return [line.text for line in rendered.lines]


def test_a_table_fits_its_width() -> None:
    """CSV: a heading, numbers at the right, the widest columns shortened, wide characters counted as two cells."""
    data = "Article;Each;Note\nRope 14 mm;66.50;manila\nBrass screw;0.45;\n網;1;\n".encode()
    assert view("text/csv", data) == [
        "Article       Each  Note",
        "───────────  ─────  ──────",
        "Rope 14 mm   66.50  manila",
        "Brass screw   0.45",
        "網               1",
    ]
    for width in (12, 20, 40):
        wide = view("text/csv", b"a,b,c\n" + b"x" * 90 + b"," + b"y" * 90 + b",1\n", width=width)
        assert all(cell_width(line) <= width for line in wide)
    assert "2 more columns do not fit." in view("text/csv", b",".join([b"column"] * 6) + b"\n", width=30)


def test_a_table_by_its_name() -> None:
    """Programs often send CSV as octets, or as Excel's."""
    assert view("application/octet-stream", b"a\tb\n1\t2\n", "x.tsv")[0] == "a  b"
    assert view("application/vnd.ms-excel", b"a,b\n1,2\n", "x.CSV")[0] == "a  b"


def test_a_contact() -> None:
    """vCard 2.1 to 4.0; pictures are counted."""
    data = (
        b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ole Aune\r\nN:Aune;Ole;;;\r\nORG:Nordholm Cranes;Harbour\r\n"
        b"item1.EMAIL;TYPE=WORK:ole@nordholm.example\r\nTEL;TYPE=CELL:+47 000 00 000\r\n"
        b"ADR;TYPE=HOME:;;Quay 4;Nordholm;;0001;Norway\r\nNOTE:Gone fishing\\, back\\nsoon\r\nPHOTO;ENCODING=b:AAAA\r\nEND:VCARD\r\n"
        b"BEGIN:VCARD\r\nVERSION:2.1\r\nN;CHARSET=ISO-8859-1;ENCODING=QUOTED-PRINTABLE:Br=FCn;Li=\r\nsa\r\nEND:VCARD\r\n"
    )
    assert view("text/x-vcard", data) == [
        "Ole Aune",
        "At        Nordholm Cranes, Harbour",
        "Mail      ole@nordholm.example  · work",
        "Phone     +47 000 00 000  · cell",
        "Address   Quay 4, Nordholm, 0001, Norway  · home",
        "Note      Gone fishing, back soon",
        "          1 picture or key not shown",
        "",
        "Lisa Brün",
    ]


def test_mail_within_mail_with_its_own_attachments() -> None:
    """Its fields, its text, and its files, which can be had by their paths."""
    inner = mail("application/pdf", b"%PDF-fake", "inner.pdf").replace(
        b"Subject: x", b"From: Ole <ole@nordholm.example>\nSubject: The crane"
    )
    raw = (
        b"Subject: outer\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nsee below\n--b\n"
        b'Content-Type: message/rfc822\nContent-Disposition: attachment; filename="mail.eml"\n\n' + inner + b"\n--b--\n"
    )
    assert [(part.part_path, part.filename) for part in listed_parts(raw)] == [("2", "mail.eml"), ("2.2", "inner.pdf")]
    assert part_bytes(raw, "2.2") == b"%PDF-fake"
    shown = view_part(raw, "2", width=60)
    assert [line.text for line in shown.lines] == [
        "Enclosed message",
        "From: Ole <ole@nordholm.example>",
        "Subject: The crane",
        "",
        "text",
    ]
    assert [part.part_path for part in shown.attachments] == ["2.2"]
    assert [part.part_path for part in render_message(raw, width=60).attachments] == ["2"]


def test_an_enclosed_message_without_a_name_is_called_by_its_subject() -> None:
    """A1: the name of a file made of it is as safe as any."""
    raw = b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\nSubject: a/../b\x07\n\nx\n--b--\n"
    (part, *_) = listed_parts(raw)
    assert part.filename.startswith("a/../b")
    assert save_name(part.filename, part.content_type) == "b.eml"


def test_mail_that_was_attached_as_a_file() -> None:
    """An .eml of another type, and one in base64."""
    assert view("application/octet-stream", b"Subject: in a file\n\nhello\n", "a.eml")[-1] == "hello"
    assert view("message/rfc822", b"Subject: encoded\n\nhello\n")[-1] == "hello"


def pdf(*pages: str) -> bytes:
    from pypdf import PdfWriter
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

    writer = PdfWriter()
    for text in pages:
        page = writer.add_blank_page(300, 300)
        font = DictionaryObject(
            {
                NameObject("/Type"): NameObject("/Font"),
                NameObject("/Subtype"): NameObject("/Type1"),
                NameObject("/BaseFont"): NameObject("/Helvetica"),
            }
        )
        page[NameObject("/Resources")] = DictionaryObject(
            {NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})}
        )
        stream = DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 20 200 Td ({text}) Tj ET".encode() if text else b"")
        page[NameObject("/Contents")] = writer._add_object(stream)
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def test_a_pdf_as_text() -> None:
    """By page; a scan says that it has no text, a broken one that it can't be read."""
    assert view("application/pdf", pdf("Invoice 7", "Total 153.90"))[:5] == [
        "Page 1 of 2",
        "Invoice 7",
        "",
        "Page 2 of 2",
        "Total 153.90",
    ]
    assert view("application/octet-stream", pdf("By its name"), "a.PDF")[0] == "By its name"
    assert "It holds no text: its pages are pictures." in view("application/pdf", pdf(""))
    assert view("application/pdf", b"%PDF-1.4 nothing more")[0] == "It can't be read as a PDF."


def test_a_pdf_with_a_password() -> None:
    """P1."""
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf("secret"))))
    writer.encrypt("key", algorithm="RC4-128")
    file = io.BytesIO()
    writer.write(file)
    assert view("application/pdf", file.getvalue())[0].startswith("It needs a password")


def test_a_calendar_or_its_text() -> None:
    """P1: what can't be read as one is shown as text."""
    event = b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:Crane day\r\nDTSTART;VALUE=DATE:20261201\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    assert view("application/octet-stream", event, "invite.ics")[:2] == ["Event", "What      Crane day"]
    assert view("text/calendar", b"BEGIN:nothing\r\nSUMMARY:x\r\n") == ["BEGIN:nothing", "SUMMARY:x"]


@pytest.mark.parametrize(
    ("content_type", "data", "name", "first"),
    [
        ("text/x-patch", b"--- a\n+++ b\n", "", "--- a"),
        ("application/json", b'{"a": 1}\n', "", '{"a": 1}'),
        ("application/octet-stream", b"plain words\n", "README", "plain words"),
        ("application/octet-stream", b"\x00\x01\x02", "x.bin", "It can't be shown here."),
        ("application/zip", b"PK\x03\x04", "a.zip", "It can't be shown here."),
        ("text/html", b"<h1>Head</h1><script>x()</script>", "", "Head"),
        ("text/rtf", b"{\\rtf1 rich \\b text}", "", "rich text"),
        ("image/png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\2\x80\0\0\1\xe0", "", "A PNG picture of 640 × 480 pixels."),
        ("image/x-odd", b"odd", "", "A picture."),
        ("text/plain", b"\x1b[31mred\x07", "", "red"),
    ],
)
def test_other_kinds(content_type: str, data: bytes, name: str, first: str) -> None:
    """P1, D1."""
    assert view(content_type, data, name)[0] == first


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"GIF89a\x0a\0\x14\0", ("GIF", 10, 20)),
        (b"\xff\xd8\xff\xe0\0\4ab\xff\xc0\0\x11\x08\0\x10\0\x20", ("JPEG", 32, 16)),
        (b"RIFF\0\0\0\0WEBPVP8X\0\0\0\0\0\0\0\0\x09\0\0\x13\0\0", ("WebP", 10, 20)),
        (b"BM" + bytes(16) + b"\x0a\0\0\0\xec\xff\xff\xff", ("BMP", 10, 20)),
        (b"\xff\xd8\xff", None),
        (b"\x89PNG\r\n\x1a\n", None),
    ],
)
def test_the_size_of_a_picture(data: bytes, found: tuple[str, int, int] | None) -> None:
    """From its first bytes."""
    assert image_size(data) == found


def test_there_is_no_such_part() -> None:
    """P1."""
    for path in ("9", "2~1", "1~x", "", "2.7"):
        with pytest.raises(LookupError):
            view_part(mail("text/csv", b"a"), path, width=60)


# The first of a kind imports what reads it.
@settings(deadline=None)
@given(
    st.sampled_from(
        [
            "text/csv",
            "text/x-vcard",
            "application/pdf",
            "text/calendar",
            "text/rtf",
            "image/jpeg",
            "application/ms-tnef",
            "x/y",
        ]
    ),
    st.binary(max_size=300),
    st.sampled_from([b"", b"BEGIN:VCARD\n", b"%PDF-1.4\n", b"\xff\xd8", b"{\\rtf1"]),
)
def test_any_bytes_of_any_kind(content_type: str, data: bytes, start: bytes) -> None:
    """P1, P15, D1."""
    view(content_type, start + data)
