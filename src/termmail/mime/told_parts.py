"""Sentences on what a message has and that is not shown: pieces, content elsewhere, files in the text, fields that were signed."""

from __future__ import annotations

from collections.abc import Iterator

from termmail.mime.cards import people
from termmail.mime.headers import parse_envelope
from termmail.mime.parts import own_nodes
from termmail.mime.safe_text import safe_address, safe_text
from termmail.mime.structure import Node
from termmail.mime.text_blocks import TextBlock


def told_parts(root: Node) -> Iterator[str]:
    """The sentences on a message's parts, not all of them safe yet."""
    for node in own_nodes(root):
        if node.content_type == "message/partial":
            yield _partial(node)
        elif node.content_type == "message/external-body":
            yield _external(node)
    yield from _protected_fields(root)


def block_words(block: TextBlock) -> str:
    """What stands in a text for a file that was written into it."""
    name = safe_address(block.name) or "a file without a name"
    if block.encoding == "yenc":
        size = f", {block.size:,} bytes" if block.size else ""
        return f"[{name}: a file in the text in yEnc encoding{size}; save the whole message to decode it]"
    return f"[{name}: a file in the text, uuencoded; it is among the attachments]"


def _protected_fields(root: Node) -> Iterator[str]:
    """Fields that were signed together with the text and differ from those shown: told as what they are, a claim (RFC 9788)."""
    if root.content_type != "multipart/signed" or not root.children:
        return
    payload = root.children[0]
    if not {"hp", "protected-headers"} & set(payload.parameters):
        return
    inner, outer = parse_envelope(payload.header()), parse_envelope(root.header())
    for name, said, shown in (
        ("subject", inner.subject, outer.subject),
        ("writer", people(inner.from_), people(outer.from_)),
    ):
        if said.strip() and " ".join(said.split()) != " ".join(shown.split()):
            claim = safe_text(said, one_line=True)
            yield f"The signed part names another {name}: “{claim}”. The signature was not checked."


def _partial(node: Node) -> str:
    """What a piece of a message says about itself (RFC 2046 §5.2.2)."""
    number, total = node.parameters.get("number", ""), node.parameters.get("total", "")
    which = f"part {number} of {total}" if total else f"part {number}" if number else "a part"
    return (
        f"This is {which} of a message that was sent in pieces; the others are mails of their own. They are not put together here."
        " Each can be saved as it is."
    )


def _external(node: Node) -> str:
    """Where the content of a part is said to lie (RFC 2046 §5.2.3, RFC 2017). Nothing ever goes there."""
    values = node.parameters
    where = [values.get(name, "").strip() for name in ("site", "server", "directory", "name", "url", "subject")]
    words = ", ".join(safe_address(value) for value in where if value) or "a place that is not named"
    way = safe_address(values.get("access-type", "").strip().lower())
    return f"A part of this message lies elsewhere and was not fetched: {words}{f' (by {way})' if way else ''}."
