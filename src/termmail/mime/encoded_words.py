"""Encoded words of RFC 2047 and parameters of RFC 2231, read tolerantly (P8)."""

from __future__ import annotations

import binascii
import re

from termmail.mime.charsets import codec_for, decode_text

_HEAD = re.compile(r"=\?([^?\s=]{1,80})\?([BbQq])\?")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]")
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")


def decode_words(text: str) -> str:
    """`text` with its encoded words decoded; what is no encoded word stays as it is. Never raises.

    White space between encoded words goes; adjacent words of one charset are joined as bytes first, so that a
    character split between them is whole again.
    """
    pieces: list[str] = []
    pending = bytearray()
    pending_charset = ""
    position = 0
    while True:
        head = _HEAD.search(text, position)
        if head is None:
            break
        end = text.find("?=", head.end())
        if end < 0:
            break
        inner = _last_head(text, head.end(), end)
        if inner is not None:
            head = inner
        between = text[position : head.start()]
        charset = head[1].partition("*")[0].lower()
        if pending_charset and (between.strip() or charset != pending_charset):
            pieces.append(decode_text(bytes(pending), pending_charset))
            pending.clear()
        if between.strip() or not pending_charset:
            pieces.append(between)
        pending_charset = charset
        pending += _payload(charset, head[2], text[head.end() : end])
        position = end + 2
    if pending_charset:
        pieces.append(decode_text(bytes(pending), pending_charset))
    pieces.append(text[position:])
    return "".join(pieces)


def decode_base64(data: bytes) -> bytes:
    """The bytes of base64 text, however broken: foreign characters are skipped, a cut end gives what is whole."""
    if b"=" not in data.rstrip(b"= \t\r\n"):
        try:
            return binascii.a2b_base64(data)
        except binascii.Error:
            return _decode_sections(data)
    return _decode_sections(data)


def _decode_sections(data: bytes) -> bytes:
    """Base64 that was joined from several texts with their padding, or that was cut."""
    decoded = bytearray()
    for section in _NOT_BASE64.sub(b"", data).split(b"="):
        usable = len(section) - (len(section) % 4 == 1)
        decoded += binascii.a2b_base64(section[:usable] + b"=" * (-usable % 4))
    return bytes(decoded)


def decode_percent(text: str) -> bytes:
    """The bytes of a value in RFC 2231 (or URL) percent notation; what is no such notation stays."""
    return _PERCENT.sub(lambda match: bytes([int(match[1], 16)]), text.encode("utf-8", "replace"))


def _last_head(text: str, start: int, end: int) -> re.Match[str] | None:
    """The last beginning of an encoded word between `start` and `end`: the one before it has no end of its own."""
    inner = text.rfind("=?", start, end)
    while inner >= 0:
        head = _HEAD.match(text, inner)
        if head is not None and head.end() <= end:
            return head
        inner = text.rfind("=?", start, inner)
    return None


def _payload(charset: str, encoding: str, payload: str) -> bytes:
    # Raw 8 bit characters inside an encoded word were read already by the header's decoding: take that back.
    codec = "ascii" if payload.isascii() else codec_for(charset) or "utf-8"
    data = payload.encode(codec, "replace")
    return decode_base64(data) if encoding in "Bb" else binascii.a2b_qp(data, header=True)
