"""The files that are attached in the demo, made in code."""

from __future__ import annotations

import math
import struct
import zlib


def lighthouse_png(width: int = 192, height: int = 128) -> bytes:
    """A lighthouse at dusk, as a PNG with a palette."""
    palette = [
        *[(250 - 12 * step, 190 - 11 * step, 120 + 6 * step) for step in range(12)],
        (24, 58, 92),
        (40, 84, 122),
        (240, 236, 226),
        (176, 44, 40),
        (54, 46, 44),
        (255, 236, 150),
    ]
    sea, wave, white, red, rock, light = range(12, 18)
    horizon = height * 2 // 3
    centre = width * 2 // 3
    top, bottom = height // 5, horizon + 4
    rows = bytearray()
    for y in range(height):
        rows.append(0)
        half = 4 + (y - top) * 5 // (bottom - top)
        for x in range(width):
            colour = 11 - min(11, y * 12 // horizon)
            if y > horizon:
                colour = wave if math.sin(x / 3 + y * y / 9) > 0.8 else sea
            if (x - centre) ** 2 / 900 + (y - bottom - 8) ** 2 / 90 < 1:
                colour = rock
            if top <= y < bottom and abs(x - centre) <= half:
                colour = red if (y - top) // 11 % 2 else white
            if top - 9 <= y < top and abs(x - centre) <= 4:
                colour = light
            if top - 12 <= y < top - 9 and abs(x - centre) <= top - y - 6:
                colour = red
            if x < centre - 6 and abs(y - top + 5) * 6 < centre - x and (x + y) % 2:
                colour = light
            rows.append(colour)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    colours = b"".join(bytes(entry) for entry in palette)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", header),
            _chunk(b"PLTE", colours),
            _chunk(b"IDAT", zlib.compress(bytes(rows), 9)),
            _chunk(b"IEND", b""),
        ]
    )


def text_pdf(lines: list[str]) -> bytes:
    """One A4 page with these lines of ASCII."""
    shown = "".join(f"({_escape(line)}) Tj T*\n" for line in lines)
    content = f"BT /F1 11 Tf 72 770 Td 16 TL\n{shown}ET".encode("ascii")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier >>",
    ]
    data = bytearray(b"%PDF-1.4\n")
    offsets: list[int] = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(data)
    data += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for offset in offsets:
        data += b"%010d 00000 n \n" % offset
    data += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(data)


def tide_csv(days: int = 7) -> bytes:
    """Readings of a tide gauge, every six hours."""
    rows = ["day,hour,metres above chart datum,wind m/s"]
    for hour in range(0, days * 24, 6):
        level = 1.42 + 0.61 * math.cos(hour * 2 * math.pi / 12.42) + 0.12 * math.cos(hour * 2 * math.pi / 25.82)
        wind = 6.5 + 4 * math.sin(hour / 17)
        rows.append(f"{hour // 24 + 1},{hour % 24:02d}:00,{level:.2f},{wind:.1f}")
    return ("\r\n".join(rows) + "\r\n").encode("ascii")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _escape(line: str) -> str:
    return line.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
