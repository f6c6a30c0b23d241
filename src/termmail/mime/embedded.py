"""Files that lie inside a part without being MIME parts: uuencoded in its text, or in a winmail.dat.

They are looked at only where somebody asks what a message holds, in memory, and nothing is written anywhere (A7). Their paths are that
of the part they lie in, a tilde and a number: "2~1".
"""

from __future__ import annotations

import mimetypes
import re

from termmail.mime.structure import Node, Tree
from termmail.mime.text_blocks import decode_uu, find_blocks
from termmail.mime.tnef import Tnef, read_tnef

TNEF_TYPES = ("application/ms-tnef", "application/vnd.ms-tnef")
MARK = "~"

_MAX_TEXT = 64 * 1024 * 1024
_MAX_TNEF_DEPTH = 3
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,100}/[a-z0-9!#$&^_.+-]{1,100}")


def embedded(node: Node) -> list[Node]:
    """The files inside a leaf's content, as nodes whose body is not encoded; kept for the next call. Never raises."""
    if node.embedded is None:
        node.embedded = _find(node)
    return node.embedded


def find_part(tree: Tree, part_path: str) -> Node | None:
    """The node of a part or of a file inside one; None where there is none."""
    path, *numbers = part_path.split(MARK)
    node = tree.find(path) if path else None
    for number in numbers:
        found = [] if node is None else embedded(node)
        node = found[int(number) - 1] if number.isdecimal() and 0 < int(number) <= len(found) else None
    return node


def guess_type(filename: str) -> str:
    """The media type that a file's name stands for; application/octet-stream where it says nothing."""
    return mimetypes.guess_type(filename.replace("/", "_"), strict=False)[0] or "application/octet-stream"


def tnef_of(node: Node) -> Tnef | None:
    """What a winmail.dat holds; None where it can't be read."""
    return read_tnef(node.decoded())


def is_tnef(node: Node) -> bool:
    return node.content_type in TNEF_TYPES or (
        node.content_type == "application/octet-stream" and node.filename.lower() == "winmail.dat"
    )


def _find(node: Node) -> list[Node]:
    if node.children:
        return []
    if is_tnef(node):
        return _tnef_files(node)
    if node.content_type == "text/plain" and node.disposition != "attachment":
        return _text_files(node)
    return []


def _text_files(node: Node) -> list[Node]:
    # The lines are looked for as they are first: nearly no mail has any.
    if node.encoding != "base64" and node.source.find(b"begin ", node.body_start, node.body_end) < 0:
        return []
    data = node.decoded(limit=_MAX_TEXT)
    return [
        _node(node, number, decode_uu(data[block.data_start : block.data_end]), block.name, "")
        for number, block in enumerate((block for block in find_blocks(data) if block.encoding == "uuencode"), 1)
    ]


def _tnef_files(node: Node) -> list[Node]:
    found = None if node.path.count(MARK) >= _MAX_TNEF_DEPTH else tnef_of(node)
    if found is None:
        return []
    nodes: list[Node] = []
    for number, file in enumerate(found.files, 1):
        kind = TNEF_TYPES[0] if file.is_message else file.content_type
        child = _node(node, number, file.data, file.name, kind if _TYPE.fullmatch(kind) else "")
        child.content_id = file.content_id
        nodes.append(child)
    return nodes


def _node(parent: Node, number: int, data: bytes, name: str, content_type: str) -> Node:
    node = Node(data, 0, 0, len(data))
    node.path = f"{parent.path}{MARK}{number}"
    node.filename = name
    node.content_type = content_type or guess_type(name)
    node.disposition = "attachment"
    return node
