"""The MIME tree: parts, their bytes, previews."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from termmail.mime.parts import looks_attached, parse_message, part_bytes, preview
from termmail.mime.structure import MAX_PARTS, Tree, parse_parameters
from termmail.model.body import Part

PICTURE = base64.encodebytes(bytes(range(256)) * 3)
NESTED = (
    b"From: lisa@example.org\r\nSubject: nested\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="outer"\r\n\r\npreamble\r\n'
    b"--outer\r\nContent-Type: multipart/alternative; boundary=inner\r\n\r\n"
    b"--inner\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=\r\nn\r\n"
    b"--inner\r\nContent-Type: text/html\r\n\r\n<p>green</p>\r\n--inner--\r\n"
    b"--outer\r\nContent-Type: image/png; name=a.png\r\nContent-Transfer-Encoding: base64\r\n"
    b"Content-Disposition: attachment; filename*=utf-8''gr%C3%BCn.png\r\n\r\n" + PICTURE + b"\r\n"
    b"--outer\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n"
    b"Subject: inside\r\nContent-Type: multipart/mixed; boundary=deep\r\n\r\n"
    b"--deep\r\n\r\ninner text\r\n--deep--\r\n"
    b"--outer--\r\nepilogue\r\n"
)


def paths(raw: bytes) -> list[tuple[str, str]]:
    return [(part.part_path, part.content_type) for part in parse_message(raw).parts]


def test_parts_are_numbered_as_imap_does() -> None:
    """P4: also inside an attached message (RFC 9051 §6.4.5)."""
    assert paths(NESTED) == [
        ("1.1", "text/plain"),
        ("1.2", "text/html"),
        ("2", "image/png"),
        ("3", "message/rfc822"),
        ("3.1", "text/plain"),
    ]
    assert paths(b"Subject: x\n\nbody") == [("1", "text/plain")]
    inner_single = b"Content-Type: message/rfc822\n\nSubject: x\n\nbody"
    assert paths(inner_single) == [("1", "message/rfc822"), ("1.1", "text/plain")]


def test_a_multipart_without_parts_inside_a_message_has_a_path_of_its_own() -> None:
    """P1: no two parts answer to one path."""
    empty = b"Content-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=b\n"
    assert paths(empty) == [("1", "message/rfc822"), ("1.1", "text/plain")]


def test_texts_and_attachments() -> None:
    """P1."""
    message = parse_message(NESTED)
    assert message.text_part is not None
    assert message.html_part is not None
    assert (message.text_part.part_path, message.text_part.charset) == ("1.1", "utf-8")
    assert message.html_part.part_path == "1.2"
    assert [(part.part_path, part.filename) for part in message.attachments] == [("2", "grün.png"), ("3", "")]
    assert message.envelope.subject == "nested"
    assert message.headers[0].name == "From"
    assert message.defects == ()


def test_named_alternatives_are_texts() -> None:
    """P1: a file name alone does not make an attachment of what is one form of the text."""
    raw = b"Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/html; name=h.html\n\nx\n"
    raw += b"--b\nContent-Type: text/plain; name=t.txt\n\nx\n--b--\n"
    message = parse_message(raw)
    assert message.text_part is not None
    assert message.attachments == ()


def test_bytes_of_parts() -> None:
    """P2: transfer encodings undone, an attached message byte for byte."""
    assert part_bytes(NESTED, "1.1") == "Grün".encode()
    assert part_bytes(NESTED, "1.2") == b"<p>green</p>"
    picture = part_bytes(NESTED, "2")
    assert picture == bytes(range(256)) * 3
    assert abs(parse_message(NESTED).parts[2].size - len(picture)) <= 2
    assert part_bytes(NESTED, "3").startswith(b"Subject: inside\r\n")
    assert part_bytes(NESTED, "3.1") == b"inner text"
    with pytest.raises(LookupError):
        part_bytes(NESTED, "4")


@pytest.mark.parametrize(
    ("field", "filename"),
    [
        (b"attachment; filename=plain.txt", "plain.txt"),
        (b'attachment; filename="with \\"quotes\\"; and.txt"', 'with "quotes"; and.txt'),
        (b"attachment; filename*0*=utf-8'de'a%C3%A4; filename*1=b; filename*2*=%C3%BC.txt", "aäbü.txt"),
        (b"attachment; filename*=iso-8859-1''caf%E9", "café"),
        (b'attachment; filename="=?utf-8?B?w6Qu?= =?utf-8?Q?txt?="', "ä.txt"),
        ('attachment; filename="übel.txt"'.encode(), "übel.txt"),
        ('attachment; filename="übel.txt"'.encode("latin-1"), "übel.txt"),
        (b"attachment;filename=no quotes but spaces.txt ; x=y", "no quotes but spaces.txt"),
        (b'attachment; filename="unclosed.txt', "unclosed.txt"),
        (b"attachment; filename=\r\n folded.txt", "folded.txt"),
        (b"attachment; filename*x=1; =; ; filename", ""),
    ],
)
def test_file_names(field: bytes, filename: str) -> None:
    """A1: decoded from RFC 2231, RFC 2047 and raw 8 bit."""
    kind, parameters = parse_parameters(field)
    assert kind == "attachment"
    assert parameters.get("filename", "") == filename


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nhere\n--b--\n", b"here"),
        (b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nhere", b"here"),
        (b"Content-Type: multipart/mixed\n\n--guess\nContent-Type: text/plain\n\nhere\n--guess--\n", b"here"),
        (b"Content-Type: multipart/mixed; boundary=b\n\nno delimiter", b"no delimiter"),
        (
            b'Content-Type: multipart/mixed; boundary="b\n\n--b\nno header here\n\nhere\n--b--',
            b"no header here\n\nhere",
        ),
        (b"Content-Type: nonsense\n\nhere", b"here"),
        (b"Content-Type: text/plain\nContent-Transfer-Encoding: x-unknown\n\nhere", b"here"),
        (b"Content-Type: text/plain\nContent-Transfer-Encoding: BASE64\n\naGVyZQ", b"here"),
        (b"Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\naGV!!\nyZQ=\n=", b"here"),
        (b"Content-Transfer-Encoding: quoted-printable\n\nhe=72=\ne=", b"here"),
        (b"Content-Transfer-Encoding: x-uuencode\n\nbegin 644 a\n$:&5R90  \n`\nend\n", b"here"),
        (
            b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nhere\n--bb\nnot a delimiter\n--b--",
            b"here\n--bb\nnot a delimiter",
        ),
    ],
)
def test_broken_mime_still_has_its_text(raw: bytes, text: bytes) -> None:
    """P1, P13."""
    message = parse_message(raw)
    assert message.text_part is not None
    assert part_bytes(raw, message.text_part.part_path) == text


def test_unclosed_and_guessed_multiparts_are_told() -> None:
    """P1."""
    assert "not closed" in parse_message(b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nhere").defects[0]
    assert "guessed" in parse_message(b"Content-Type: multipart/mixed\n\n--g\n\nhere\n--g--\n").defects[0]


def test_budgets() -> None:
    """P5: parts and depth."""
    many = b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 100_000
    message = parse_message(many)
    assert len(message.parts) <= MAX_PARTS
    assert any("more than 500 parts" in defect for defect in message.defects)
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(2000)) + b"\nx"
    assert any("nested" in defect for defect in parse_message(deep).defects)
    envelopes = b"Content-Type: message/rfc822\n\n" * 2000
    assert len(parse_message(envelopes).parts) <= MAX_PARTS


@pytest.mark.parametrize("piece", [b";", b"; a=", b'; "', b"; a*0=b", b"\\", b" ;", b"=?utf-8?q?"])
def test_floods_of_parameters_take_linear_time(piece: bytes) -> None:
    """P5: the test's time limit would strike."""
    flood = piece * (250_000 // len(piece))
    parse_message(b"Content-Type: text/plain" + flood + b"\nContent-Disposition: x" + flood + b"\n\nbody")
    parse_message(b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a" * 80_000)


@pytest.mark.parametrize(
    ("part", "attached"),
    [
        (b"Content-Type: application/pdf; name=a.pdf\n", True),
        (b"Content-Type: text/plain\nContent-disposition:ATTACHMENT; filename=a.txt\n", True),
        (b'Content-Type: application/pgp-signature; name="signature.asc"\nContent-Disposition: attachment\n', False),
        (b"Content-Type: application/pkcs7-signature; name=smime.p7s\n", False),
        (b"Content-Type: text/html\n", False),
        (b"Content-Type: image/png\nContent-ID: <x@y>\n", False),
        (b"Content-Type: text/plain\nContent-Disposition: inline\n", False),
    ],
)
def test_the_quick_look_for_attachments_agrees_with_the_parser(part: bytes, attached: bool) -> None:
    """P4."""
    raw = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n--b\n" + part + b"\nx\n--b--\n"
    assert looks_attached(raw) is attached
    assert bool(parse_message(raw).attachments) is attached


def test_single_parts_that_are_attachments() -> None:
    assert looks_attached(b"Content-Type: application/pdf\n\nx")
    assert looks_attached(b"Content-Type: text/plain\nContent-Disposition: attachment\n\nx")
    assert not looks_attached(b"Subject: x\n\nContent-Disposition: attachment")


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (b"Subject: x\r\n\r\nHello\r\n\r\nworld\tand all\r\n-- \r\nme\r\n", "Hello world and all"),
        (b"Subject: x\n\nOn Tue, 3 Nov 2026, Lisa wrote:\n> quoted\n\nanswer", "answer"),
        (b"Subject: x\n\nOn Tue, 3 Nov 2026, Lisa\n<lisa@example.org> wrote:\n> quoted\n\nanswer", "answer"),
        (b"Subject: x\n\n> all quoted", "all quoted"),
        (NESTED, "Grün"),
        (
            b"Content-Type: text/html; charset=utf-8\n\n<html><head><title>t</title><style>p{}</style></head><!-- c > --><p>A &amp;"
            b" <b>B</b></p><script>x<y</script>C",
            "A & B C",
        ),
        (b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>only</p>\n--b--", "only"),
        (b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nbare part\n--b--", "bare part"),
        (
            b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(b"line of text\n" * 2000),
            "line of text " * 15 + "line",
        ),
        (b"Subject: x\n\n\x1b]0;title\x07a\x1b[31mb\x00", "ab"),
        (b"Content-Type: text/html\n\n<style>" + b"p { color: red }\n" * 4000 + b"</style><p>late", "late"),
        (b"Content-Type: application/pdf\n\nx", ""),
        (b"", ""),
    ],
)
def test_previews(raw: bytes, line: str) -> None:
    """D1, P1."""
    assert preview(raw) == line[:200].strip()


def test_previews_of_hostile_html_take_linear_time() -> None:
    """P6."""
    for piece in (b"<!--", b"<style>", b"<", b"&", b"<a ", b"</"):
        preview(b"Content-Type: text/html\n\n" + piece * (1_000_000 // len(piece)))


MIME_PIECES = st.lists(
    st.sampled_from(
        [
            b"Content-Type: multipart/mixed; boundary=b\n",
            b"Content-Type: multipart/mixed\n",
            b"Content-Type: multipart/digest; boundary=c\n",
            b"Content-Type: message/rfc822\n",
            b"Content-Type: text/html; charset=utf-16\n",
            b"Content-Type: text/plain; charset=x; format=flowed\n",
            b"Content-Transfer-Encoding: base64\n",
            b"Content-Transfer-Encoding: quoted-printable\n",
            b"Content-Disposition: attachment; filename*0*=a''%\n",
            b"\n",
            b"\r\n",
            b"--b\n",
            b"--b--\n",
            b"--c\r\n",
            b"text\n",
            b"<p>a<b>b\n",
            b"=C3",
            b"\xff\x00\x1b[",
        ]
    ),
    max_size=30,
).map(b"".join)


@given(MIME_PIECES | st.binary(max_size=300))
def test_any_bytes_are_a_message(raw: bytes) -> None:
    """P1, P15."""
    message = parse_message(raw)
    part: Part
    for part in message.parts:
        part_bytes(raw, part.part_path)
        part.filename.encode()
    assert len({part.part_path for part in message.parts}) == len(message.parts)
    assert preview(raw).isprintable() or not preview(raw).isascii()
    looks_attached(raw)
    for node in Tree(raw).root.walk():
        assert 0 <= node.start <= node.body_start <= node.body_end <= len(node.source)
