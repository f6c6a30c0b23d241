"""Microsoft's TNEF (winmail.dat), read far enough for its text and its files ([MS-OXTNEF], [MS-OXCDATA] §2.11)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from termmail.mime.charsets import decode_text

MAX_FILES = 200
_MAX_ATTRIBUTES = 10_000
_MAX_PROPERTIES = 5_000

_SIGNATURE = 0x223E9F78
_HEAD = struct.Struct("<IH")
_ATTRIBUTE = struct.Struct("<BII")
_LONG = struct.Struct("<I")
_PROPERTY = struct.Struct("<HH")

_BODY_TEXT = 0x0002800C
_MESSAGE_PROPERTIES = 0x00069003
_FILE_BEGINS = 0x00069002
_FILE_DATA = 0x0006800F
_FILE_TITLE = 0x00018010
_FILE_PROPERTIES = 0x00069005
_CODE_PAGE = 0x00069007

_FIXED_SIZES = {0x02: 4, 0x03: 4, 0x04: 4, 0x05: 8, 0x06: 8, 0x07: 8, 0x0A: 4, 0x0B: 4, 0x14: 8, 0x40: 8, 0x48: 16}
_STRING8, _UNICODE, _OBJECT, _BINARY = 0x1E, 0x1F, 0x0D, 0x102
_SEVERAL = 0x1000
_NAMED = 0x8000

_PLAIN_BODY, _RTF_BODY, _HTML_BODY = 0x1000, 0x1009, 0x1013
_DATA, _SHORT_NAME, _METHOD, _LONG_NAME, _MIME_TYPE, _CONTENT_ID = 0x3701, 0x3704, 0x3705, 0x3707, 0x370E, 0x3712
_EMBEDDED_MESSAGE = 5
_INTERFACE_ID = 16


class TnefFile(NamedTuple):
    """A file in a TNEF stream. `name` is not yet safe, `content_type` may be empty; where `is_message` it is a TNEF stream itself."""

    name: str
    data: bytes
    content_type: str = ""
    content_id: str = ""
    is_message: bool = False


class Tnef(NamedTuple):
    """What a stream holds: the text in each form that is there, and its files. `is_whole` is false where it was cut or broken.

    `compressed_rtf` is as `mime.rtf.decompress_rtf` takes it.
    """

    text: str = ""
    html: str = ""
    compressed_rtf: bytes = b""
    files: tuple[TnefFile, ...] = ()
    is_whole: bool = True


def read_tnef(data: bytes) -> Tnef | None:
    """The stream in `data`, as far as it can be read; None where it is none. Takes linear time and never raises."""
    if len(data) < _HEAD.size or _HEAD.unpack_from(data)[0] != _SIGNATURE:
        return None
    reader = _Reader()
    position = _HEAD.size
    for _ in range(_MAX_ATTRIBUTES):
        if len(data) - position < _ATTRIBUTE.size:
            break
        _, name, length = _ATTRIBUTE.unpack_from(data, position)
        position += _ATTRIBUTE.size
        if length > len(data) - position:
            reader.is_whole = False
            break
        reader.attribute(name, data[position : position + length])
        # A checksum of two bytes follows, which many writers get wrong.
        position += length + 2
    return reader.result()


class _Reader:
    def __init__(self) -> None:
        self.is_whole = True
        self._charset = "windows-1252"
        self._text = self._html = ""
        self._rtf = b""
        self._files: list[_File] = []

    def attribute(self, name: int, value: bytes) -> None:
        if name == _CODE_PAGE and len(value) >= _LONG.size:
            self._charset = f"windows-{_LONG.unpack_from(value)[0]}"
        elif name == _BODY_TEXT:
            self._text = self._text or decode_text(value.rstrip(b"\0"), self._charset)
        elif name == _MESSAGE_PROPERTIES:
            self._message(value)
        elif name == _FILE_BEGINS and len(self._files) < MAX_FILES:
            self._files.append(_File())
        elif self._files and name == _FILE_DATA:
            self._files[-1].data = value
        elif self._files and name == _FILE_TITLE:
            self._files[-1].title = decode_text(value.partition(b"\0")[0], self._charset)
        elif self._files and name == _FILE_PROPERTIES:
            self._file(self._files[-1], value)

    def _message(self, value: bytes) -> None:
        for kind, name, content in self._properties(value):
            if name == _PLAIN_BODY:
                self._text = self._string(kind, content)
            elif name == _HTML_BODY:
                self._html = self._string(kind, content)
            elif name == _RTF_BODY:
                self._rtf = content

    def _file(self, file: _File, value: bytes) -> None:
        for kind, name, content in self._properties(value):
            if name == _LONG_NAME:
                file.name = self._string(kind, content)
            elif name == _SHORT_NAME:
                file.title = file.title or self._string(kind, content)
            elif name == _MIME_TYPE:
                file.content_type = self._string(kind, content).strip().lower()
            elif name == _CONTENT_ID:
                file.content_id = self._string(kind, content).strip("<> ")
            elif name == _METHOD and len(content) >= _LONG.size:
                file.method = _LONG.unpack_from(content)[0]
            elif name == _DATA:
                file.data = content[_INTERFACE_ID:] if kind == _OBJECT else content

    def _string(self, kind: int, value: bytes) -> str:
        if kind == _UNICODE:
            return value.decode("utf-16-le", "replace").partition("\0")[0]
        return decode_text(value.partition(b"\0")[0], self._charset)

    def _properties(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Type, id and first value of each property, until the first that is broken."""
        try:
            yield from _properties(data)
        except (struct.error, ValueError):
            self.is_whole = False

    def result(self) -> Tnef:
        files = tuple(
            TnefFile(
                file.name or file.title,
                file.data,
                file.content_type,
                file.content_id,
                file.method == _EMBEDDED_MESSAGE,
            )
            for file in self._files
        )
        return Tnef(self._text, self._html, self._rtf, files, self.is_whole)


class _File:
    """A file while its attributes come in."""

    def __init__(self) -> None:
        self.name = self.title = self.content_type = self.content_id = ""
        self.method = 0
        self.data = b""


def _properties(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Raises struct.error or ValueError where the bytes end too early or make no sense."""
    (count,) = _LONG.unpack_from(data)
    position = _LONG.size
    for _ in range(min(count, _MAX_PROPERTIES)):
        kind, name = _PROPERTY.unpack_from(data, position)
        position += _PROPERTY.size
        if name >= _NAMED:
            _, name_kind = struct.unpack_from("<16sI", data, position)
            position += 20
            (length,) = _LONG.unpack_from(data, position)
            position += _LONG.size + (_padded(length) if name_kind else 0)
        several = bool(kind & _SEVERAL)
        kind &= ~_SEVERAL
        values = 1
        if several or kind in (_STRING8, _UNICODE, _OBJECT, _BINARY):
            (values,) = _LONG.unpack_from(data, position)
            position += _LONG.size
        first = b""
        for number in range(values):
            size = _FIXED_SIZES.get(kind)
            if size is None:
                (size,) = _LONG.unpack_from(data, position)
                position += _LONG.size
            if size > len(data) - position:
                raise ValueError("a property is longer than its stream")
            if number == 0:
                first = data[position : position + size]
            position += _padded(size)
        yield kind, name, first


def _padded(size: int) -> int:
    return -(-size // 4) * 4
