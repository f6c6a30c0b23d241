"""The mails of the gallery, as raw messages: their texts lie in `mails/`, HTML or plain."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import NamedTuple

_TEXTS = Path(__file__).parent / "mails"


class Letter(NamedTuple):
    """Who wrote a mail and about what, and how its text is sent."""

    name: str
    address: str
    subject: str
    charset: str = "utf-8"
    flowed: bool = False


LETTERS = {
    "newsletter": Letter("The Leeward Letter", "letter@leeward.example", "Nobody wants the lighthouse"),
    "invoice": Letter("Chandler & Sons", "office@chandler.example", "Invoice 2025-1187"),
    "airline": Letter("Gull Air", "trips@air.example", "Your trip to Reykjavík, K7RQ2M"),
    "receipt": Letter("Kelp Hosting", "receipts@pay.example", "Your receipt from Kelp Hosting"),
    "statement": Letter("First Coastal Bank", "statements@firstcoastal.example", "Your statement"),
    "list": Letter("Sam Whitfield", "sam@example.com", "Re: [tides] importer and broken rows"),
    "patch": Letter("Sam Whitfield", "sam@example.com", "[PATCH v2] harmonics: keep the sign"),
    "review": Letter("Mara Whitfield", "mara@example.org", "Re: [PATCH v2] harmonics: keep the sign"),
    "forge": Letter("mara", "notifications@forge.example", "Re: [tides/tides] Rows with CRLF (#214)"),
    "report": Letter("Cron Daemon", "root@gauge.example", "Cron <root@gauge> backup"),
    "old_quotes": Letter("Chidi Okafor", "chidi@piers.example", "Re: Re: The pier"),
    "outlook": Letter("Marta Kowalska", "marta@harbour.example", "RE: Meeting on Thursday"),
    "gmail": Letter("Bob Meier", "bob@example.com", "Re: Picnic"),
    "flowed": Letter("Henrik Dahl", "henrik@example.net", "Re: The book", flowed=True),
    "japanese": Letter("佐藤 花子", "sato@example.jp", "【発送のお知らせ】潮汐表 2026年版", charset="iso-2022-jp"),
    "hebrew_arabic": Letter("יעל בן-עמי", "yael@port.example", "הגעת הספינה"),
    "hidden": Letter("Parcel Service", "noreply@parcel.example", "Your parcel is on its way"),
    "phishing": Letter("First Coastal Bank", "security@evil.example", "Your account is closed"),
    "picture": Letter("Bob Meier", "bob@example.com", "The pier, and the chart of the week"),
    "minutes": Letter("Bob Meier", "bob@example.com", "Minutes of 4 November"),
    "plain_news": Letter("The Leeward Letter", "letter@leeward.example", "The Leeward Letter, No. 118"),
}


def mails() -> dict[str, bytes]:
    """Each mail by its name, in the order of the gallery."""
    return {name: _mail(name, letter) for name, letter in LETTERS.items()}


def _mail(name: str, letter: Letter) -> bytes:
    message = EmailMessage(policy=SMTP)
    message["From"] = f'"{letter.name}" <{letter.address}>'
    message["To"] = "Lisa Holm <lisa@example.com>"
    message["Subject"] = letter.subject
    message["Date"] = "Wed, 05 Nov 2025 10:02:13 +0100"
    message["Message-ID"] = f"<{name}@gallery.example>"
    markup = _TEXTS / f"{name}.html"
    if not markup.exists():
        message.set_content((_TEXTS / f"{name}.txt").read_text(encoding="utf-8"), charset=letter.charset)
        if letter.flowed:
            message.set_param("format", "flowed")
        return message.as_bytes()
    message.set_content(markup.read_text(encoding="utf-8"), subtype="html", cte="quoted-printable")
    if name == "picture":
        for picture, data in (("pier", png(480, 320, _pier)), ("chart", png(420, 160, _chart))):
            cid = f"<{picture}@example.org>"
            message.add_related(data, "image", "png", cid=cid, filename=f"{picture}.png", disposition="inline")
    return message.as_bytes()


Colour = tuple[int, int, int]


def png(width: int, height: int, colour: Callable[[float, float], Colour]) -> bytes:
    """A picture; `colour` says for each place, from 0 to 1, what it is."""
    rows = b"".join(
        b"\0" + bytes(part for x in range(width) for part in colour(x / width, y / height)) for y in range(height)
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def _pier(x: float, y: float) -> Colour:
    if (x - 0.78) ** 2 * 2.2 + (y - 0.2) ** 2 < 0.008:
        return 250, 220, 120
    if (0.5 < y < 0.56 and x < 0.7) or (0.56 <= y < 0.8 and x < 0.7 and int(x * 100) % 12 < 2):
        return 92, 62, 40
    if y > 0.58:
        return 24, 70 + int(60 * y), 110 + int(60 * y)
    return 120 + int(90 * y), 160 + int(60 * y), 210


def _chart(x: float, y: float) -> Colour:
    day = min(int(x * 7), 6)
    if y > 1 - (0.35, 0.5, 0.62, 0.8, 0.9, 0.7, 0.45)[day] and 0.15 < x * 7 - day < 0.85:
        return 70, 130, 200
    return 245, 245, 240
