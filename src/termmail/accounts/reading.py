"""From the text of config.toml to its schema, and every mistake on the way as a ConfigError that says what to write."""

from __future__ import annotations

import re
import tomllib
import types
import typing
from collections.abc import Collection
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from termmail.accounts.schema import TABLE_EXAMPLES, FileTable
from termmail.mime.safe_text import safe_text
from termmail.model.errors import ConfigError

Table = TypeVar("Table", bound=msgspec.Struct)
KeyPath = tuple[str, ...]

_FEW = 20
_NEVER_HERE = {"password", "passwd", "pass", "secret", "token", "passphrase"}


class ConfigText:
    """The text of a config file with its path, to say where a mistake is."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.text = text

    def parse(self) -> FileTable:
        """The file's contents. Raises ConfigError."""
        try:
            tables = tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{self.path} is not valid TOML: {safe_text(str(error), one_line=True)}.") from error
        return self._struct(FileTable, tables, ())

    def mistake(self, path: KeyPath, problem: str, write: str = "") -> ConfigError:
        """A ConfigError for one key: `problem` goes on after the key, `write` is the line to write."""
        line = self.line_of(path)
        place = f"{self.path}, line {line}" if line else f"{self.path}"
        sentence = f"{place}: {_dotted(path)} {problem}" + ("" if problem.endswith("?") else ".")
        return ConfigError(safe_text(f"{sentence} Write for example: {write}" if write else sentence, one_line=True))

    def unknown(self, key: str, known: Collection[str], path: KeyPath) -> ConfigError:
        """A ConfigError for a key that is none of `known`, with the one that was probably meant."""
        if key.lower() in _NEVER_HERE:
            return self.mistake(
                (*path, key),
                "cannot be here: a password is never kept in this file. Remove it, and change it if others can read the file",
                'password_from = "keyring"',
            )
        import difflib

        near = difflib.get_close_matches(key.lower(), known, 1, 0.6)
        if near:
            return self.mistake((*path, key), f'is not known. Did you mean "{near[0]}"?')
        if len(known) > _FEW:
            return self.mistake((*path, key), "is not known")
        return self.mistake((*path, key), f"is not known. Known here are: {', '.join(known)}")

    def line_of(self, path: KeyPath) -> int | None:
        """The line (from 1) that sets this key, or the table it is missing from; None where neither is written out."""
        best: tuple[int, int] | None = None
        table: KeyPath = ()
        for number, line in enumerate(self.text.splitlines(), 1):
            header = re.match(r"\s*\[\[?([^\]]+)\]", line)
            assigned = re.match(r"\s*([^=#\[]+?)\s*=", line)
            if header:
                table = full = _names(header[1])
            elif assigned:
                full = table + _names(assigned[1])
            else:
                continue
            shared = min(len(path), len(full))
            if path[:shared] == full[:shared] and (best is None or shared > best[0]):
                best = (shared, number)
        return best[1] if best else None

    def _struct(self, kind: type[Table], value: object, path: KeyPath) -> Table:
        if not isinstance(value, dict):
            example = TABLE_EXAMPLES.get(kind, "{ … }")
            raise self.mistake(path, f"must be a table, not {_kind_of(value)}", f"{path[-1]} = {example}")
        fields = {field.name: field for field in msgspec.structs.fields(kind)}
        for key in value:
            if key not in fields:
                raise self.unknown(key, fields, path)
        known: dict[str, Any] = {}
        for name, field in fields.items():
            if name in value:
                known[name] = self._value(field.type, value[name], (*path, name))
            elif field.required:
                raise self.mistake((*path, name), "is missing", f"{name} = {_hint(field.type)[1]}")
        return kind(**known)

    def _value(self, type_: Any, value: object, path: KeyPath) -> object:
        inner = _without_none(type_)
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            return self._struct(inner, value, path)
        bare = typing.get_args(inner)[0] if typing.get_origin(inner) is typing.Annotated else inner
        if typing.get_origin(bare) is dict and isinstance(value, dict):
            kind = typing.get_args(bare)[1]
            return {name: self._value(kind, item, (*path, name)) for name, item in value.items()}
        if typing.get_origin(bare) is dict and bare is inner:
            raise self.mistake(path, f"must be a table of tables, not {_kind_of(value)}")
        if typing.get_origin(inner) is list and _is_struct(typing.get_args(inner)[0]):
            struct = typing.get_args(inner)[0]
            if not isinstance(value, list):
                raise self.mistake(path, f"must be a list of tables, not {_kind_of(value)}")
            return [self._struct(struct, table, path) for table in value]
        try:
            return msgspec.convert(value, type_)
        except msgspec.ValidationError as error:
            expected, example = _hint(type_)
            raise self.mistake(path, f"must be {expected}, not {_kind_of(value)}", f"{path[-1]} = {example}") from error


def _names(dotted: str) -> KeyPath:
    """The parts of a TOML key; empty where it is none."""
    try:
        table: object = tomllib.loads(f"{dotted} = 0")
    except tomllib.TOMLDecodeError:
        return ("",)
    names = []
    while isinstance(table, dict) and table:
        name, table = next(iter(table.items()))
        names.append(name)
    return tuple(names)


def _dotted(path: KeyPath) -> str:
    return ".".join(name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f'"{name}"' for name in path)


def _without_none(type_: Any) -> Any:
    if isinstance(type_, types.UnionType) or typing.get_origin(type_) is typing.Union:
        rest = [part for part in typing.get_args(type_) if part is not type(None)]
        if len(rest) == 1:
            return rest[0]
    return type_


def _is_struct(type_: Any) -> bool:
    return isinstance(type_, type) and issubclass(type_, msgspec.Struct)


def _hint(type_: Any) -> tuple[str, str]:
    """What is expected of a value of this type, and an example."""
    inner = _without_none(type_)
    if _is_struct(inner):
        return "a table", TABLE_EXAMPLES.get(inner, "{ … }")
    for meta in getattr(inner, "__metadata__", ()):
        if isinstance(meta, msgspec.Meta) and meta.description and meta.examples:
            return meta.description, str(meta.examples[0])
    return "something else", "…"


def _kind_of(value: object) -> str:
    """A value for a message: short ones as they are written, since that helps to find them."""
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= 40 else "this text"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, dict):
        return "a table"
    return "a list" if isinstance(value, list) else "a date or time"
