"""Whether every string inside a struct is safe to show (D1, D2)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Any

import msgspec

_UNSAFE = ("Cc", "Cs", "Zl", "Zp")
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def strings_of(value: Any) -> Iterator[str]:
    """Every string in a struct, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from strings_of(getattr(value, name))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from strings_of(item)


def assert_safe(value: Any) -> None:
    """No control character, no surrogate and no bidirectional control is in any string of a struct; each is one line."""
    for text in strings_of(value):
        if text.isascii() and text.isprintable():
            continue
        found = [character for character in text if unicodedata.category(character) in _UNSAFE or character in _BIDI]
        assert not found, repr(text)
