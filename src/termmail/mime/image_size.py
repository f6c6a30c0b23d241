"""How large a picture is, from its first bytes, without decoding it."""

from __future__ import annotations

import struct

_JPEG_FRAMES = frozenset((0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF))
_MAX_JPEG_SEGMENTS = 500


def image_size(data: bytes) -> tuple[str, int, int] | None:
    """Format, width and height in pixels of a PNG, GIF, JPEG, WebP or BMP; None for anything else. Never raises."""
    try:
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            return "PNG", *struct.unpack_from(">II", data, 16)
        if data[:6] in (b"GIF87a", b"GIF89a"):
            return "GIF", *struct.unpack_from("<HH", data, 6)
        if data.startswith(b"\xff\xd8"):
            return _jpeg(data)
        if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            return _webp(data)
        if data.startswith(b"BM"):
            width, height = struct.unpack_from("<ii", data, 18)
            return "BMP", abs(width), abs(height)
    except (struct.error, IndexError):
        pass
    return None


def _jpeg(data: bytes) -> tuple[str, int, int] | None:
    position = 2
    for _ in range(_MAX_JPEG_SEGMENTS):
        if data[position] != 0xFF:
            return None
        marker = data[position + 1]
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, position + 5)
            return "JPEG", width, height
        (length,) = struct.unpack_from(">H", data, position + 2)
        position += 2 + length
    return None


def _webp(data: bytes) -> tuple[str, int, int] | None:
    match data[12:16]:
        case b"VP8X":
            return "WebP", int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", data, 26)
            return "WebP", width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            bits = int.from_bytes(data[21:25], "little")
            return "WebP", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case _:
            return None
