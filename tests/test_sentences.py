"""Sentences of the rooms below both front ends are true in both: what only the command line has stands beside them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

_SOURCE = Path(__file__).resolve().parent.parent / "src" / "termmail"
_SHARED = ("accounts", "engine", "mime", "model", "protocols", "setup", "store", "sync")
_COMMAND = re.compile(r"(?<![\w-])--[a-z]{2}|termmail (account|sync|outbox|mailbox|mailboxes|empty|reindex) ")
_MET_BY_COMMANDS_ALONE = {
    "accounts/home.py", "engine/__main__.py", "engine/child.py", "engine/process.py", "engine/sync_once.py", "setup/doctor.py",
    "store/mailboxes.py", "store/reindex.py",
}  # fmt: skip
_WHAT_IS_A_COMMAND = {"command", "commands", "with_name", "_new_password", "_sign_in"}


def _sentences(node: ast.AST) -> Iterator[str]:
    """The strings that are no docstrings, no patterns, and not what is meant for the command line."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.Expr(value=ast.Constant()):
                continue
            case ast.keyword(arg="command"):
                continue
            case ast.Assign(targets=[ast.Name(id=name)]) if name in _WHAT_IS_A_COMMAND:
                continue
            case ast.FunctionDef(name=name) if name in _WHAT_IS_A_COMMAND:
                continue
            case ast.Call(func=ast.Name(id="Advice"), args=[sentence, *_]):
                yield from _sentences(ast.Expression(sentence))
                continue
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re"))):
                continue
            case ast.Constant(value=str(text)):
                yield text
        yield from _sentences(child)


@pytest.mark.parametrize("room", _SHARED)
def test_no_sentence_names_a_command(room: str) -> None:
    """The mail reader's words are its keys and fields."""
    found = [
        f"{path.relative_to(_SOURCE)}: {sentence}"
        for path in sorted((_SOURCE / room).rglob("*.py"))
        if str(path.relative_to(_SOURCE)) not in _MET_BY_COMMANDS_ALONE
        for sentence in _sentences(ast.parse(path.read_text()))
        if _COMMAND.search(sentence)
    ]
    assert found == []
