"""A reader for the part of RON (Rusty Object Notation) that the EAST cases use."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TypeAlias

Ron: TypeAlias = "str | int | bool | list[Ron] | dict[str, Ron] | Named"

_SKIPPED = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_TOKEN = re.compile(
    r'"(?P<string>(?:[^"\\]|\\.)*)"|(?P<number>-?\d+)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<mark>[(){}\[\]:,])'
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "\\": "\\", '"': '"', "'": "'"}


@dataclass
class Named:
    """`Name`, or `Name(…)` with its values, or with its fields."""

    name: str
    values: list[Ron] = field(default_factory=list)
    fields: dict[str, Ron] = field(default_factory=dict)


def parse_ron(text: str) -> Ron:
    """Raises ValueError."""
    reader = _Reader(text)
    value = reader.value()
    reader.end()
    return value


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0

    def _peek(self) -> re.Match[str] | None:
        skipped = _SKIPPED.match(self._text, self._position)
        if skipped is not None:
            self._position = skipped.end()
        return _TOKEN.match(self._text, self._position)

    def _next(self) -> re.Match[str]:
        token = self._peek()
        if token is None:
            raise ValueError(f"cannot read {self._text[self._position : self._position + 40]!r}")
        self._position = token.end()
        return token

    def _accept(self, mark: str) -> bool:
        token = self._peek()
        if token is not None and token["mark"] == mark:
            self._position = token.end()
            return True
        return False

    def _expect(self, mark: str) -> None:
        if not self._accept(mark):
            raise ValueError(f"expected {mark!r} at {self._text[self._position : self._position + 40]!r}")

    def end(self) -> None:
        self._peek()
        if self._position != len(self._text):
            raise ValueError(f"left over: {self._text[self._position : self._position + 40]!r}")

    def value(self) -> Ron:
        token = self._next()
        if token["string"] is not None:
            return re.sub(r"\\(.)", lambda match: _ESCAPES[match[1]], token["string"])
        if token["number"] is not None:
            return int(token["number"])
        if token["name"] is not None:
            return self._named(token["name"])
        if token["mark"] == "[":
            return self._list("]")
        if token["mark"] == "{":
            return self._map()
        if token["mark"] == "(":
            values, fields = self._inside()
            return fields if fields or not values else values
        raise ValueError(f"unexpected {token[0]!r}")

    def _named(self, name: str) -> Ron:
        if name in ("true", "false"):
            return name == "true"
        if not self._accept("("):
            return Named(name)
        values, fields = self._inside()
        return Named(name, values, fields)

    def _list(self, closing: str) -> list[Ron]:
        found: list[Ron] = []
        while not self._accept(closing):
            found.append(self.value())
            if not self._accept(","):
                self._expect(closing)
                break
        return found

    def _map(self) -> dict[str, Ron]:
        found: dict[str, Ron] = {}
        while not self._accept("}"):
            key = self.value()
            self._expect(":")
            found[str(key)] = self.value()
            if not self._accept(","):
                self._expect("}")
                break
        return found

    def _inside(self) -> tuple[list[Ron], dict[str, Ron]]:
        """What follows an opening parenthesis: values, or fields with names."""
        values: list[Ron] = []
        fields: dict[str, Ron] = {}
        while not self._accept(")"):
            before = self._position
            token = self._next()
            if token["name"] is not None and self._accept(":"):
                fields[token["name"]] = self.value()
            else:
                self._position = before
                values.append(self.value())
            if not self._accept(","):
                self._expect(")")
                break
        return values, fields
