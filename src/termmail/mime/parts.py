"""A whole message taken apart: its envelope, headers and parts (P1, P5)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import msgspec

from termmail.mime.embedded import embedded, find_part, is_tnef
from termmail.mime.headers import decode_header, header_fields, parse_envelope
from termmail.mime.preview import looks_attached, preview
from termmail.mime.structure import MAX_PARTS, Node, Tree
from termmail.model.body import HeaderField, ParsedMessage, Part

__all__ = [
    "listed_parts",
    "looks_attached",
    "own_attachments",
    "own_nodes",
    "parse_message",
    "part_bytes",
    "part_of",
    "preview",
]

_SIGNATURES = ("application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature")
_REPORTS = (
    "message/delivery-status",
    "message/disposition-notification",
    "message/feedback-report",
    "message/global-delivery-status",
    "message/rfc822-headers",
    "message/global-headers",
)
_MESSAGES = ("message/rfc822", "message/global")
_CALENDARS = ("text/calendar", "application/ics")
_TEXT_FOR_OTHER_PROGRAMS = ("text/calendar", "text/vcard", "text/x-vcard", "text/directory", "text/csv", "text/rtf")


def parse_message(raw: bytes) -> ParsedMessage:
    """The message in `raw`, whatever is wrong with it: at most 500 parts, 50 deep, 1,000 fields (P5). Never raises."""
    tree = Tree(raw)
    charset = tree.root.charset
    headers = tuple(HeaderField(name, decode_header(value, charset=charset)) for name, value in header_fields(raw))
    leaves = _leaves(tree.root)
    own = [part for part, inside in leaves if not inside]
    bodies = [part for part in own if not part.is_attachment]
    return ParsedMessage(
        envelope=parse_envelope(raw),
        headers=headers,
        parts=tuple(part for part, _ in leaves),
        text_part=next((part for part in bodies if part.content_type == "text/plain"), None),
        html_part=next((part for part in bodies if part.content_type == "text/html"), None),
        attachments=tuple(part for part in own if part.is_attachment),
        defects=tuple(tree.defects),
    )


def listed_parts(raw: bytes) -> tuple[Part, ...]:
    """What a reader may want to view or save beside the text: attachments, pictures, enclosed messages and what those hold in turn.

    An enclosed message without a name is called by its subject.
    """
    tree = Tree(raw)
    return tuple(
        _called_by_subject(tree, part)
        for part, _ in _leaves(tree.root)
        if part.is_attachment or part.filename or part.content_type not in ("text/plain", "text/html", "text/enriched")
    )


def _called_by_subject(tree: Tree, part: Part) -> Part:
    node = tree.find(part.part_path) if part.content_type in _MESSAGES and not part.filename else None
    subject = parse_envelope(node.children[0].header()).subject.strip() if node is not None and node.children else ""
    return msgspec.structs.replace(part, filename=f"{subject}.eml") if subject else part


def own_attachments(root: Node) -> tuple[Part, ...]:
    """The attachments of a message itself, not those of messages that are attached to it."""
    return tuple(part for part, inside in _leaves(root) if part.is_attachment and not inside)


def part_bytes(raw: bytes, part_path: str) -> bytes:
    """The decoded bytes of one part, or of a file inside one; of an attached message its bytes as they are.

    Raises LookupError where there is no such part.
    """
    node = find_part(Tree(raw), part_path)
    if node is None:
        raise LookupError(part_path)
    return node.decoded()


def part_of(node: Node, *, first: bool = False) -> Part:
    """What a front end needs to know of a leaf; `first` says that it is the first one of its message."""
    return Part(
        part_path=node.path,
        content_type=node.content_type,
        charset=node.charset,
        filename=node.filename,
        size=node.decoded_size(),
        disposition=node.disposition,
        content_id=node.content_id,
        is_attachment=_is_attachment(node, first=first),
    )


def _leaves(root: Node) -> list[tuple[Part, bool]]:
    """Leaves and attached messages of a tree, and the files inside leaves, each with whether it lies inside an attached message."""
    nodes = itertools.islice(_nodes(root, inside=False), MAX_PARTS)
    found = [(part_of(node, first=number == 0), inside) for number, (node, inside) in enumerate(nodes)]
    if any(part.content_type in _CALENDARS and part.filename for part, _ in found):
        # Most invitations are in a mail twice; the one among the forms of its text is no file of its own then.
        return [
            (msgspec.structs.replace(part, is_attachment=False), inside)
            if part.content_type in _CALENDARS and not part.filename and part.disposition != "attachment"
            else (part, inside)
            for part, inside in found
        ]
    return found


def own_nodes(root: Node) -> Iterator[Node]:
    """The leaves and attached messages of a message, not what lies inside those."""
    return (node for node, inside in _nodes(root, inside=False) if not inside)


def _nodes(node: Node, *, inside: bool) -> Iterator[tuple[Node, bool]]:
    if node.is_multipart:
        for child in node.children:
            yield from _nodes(child, inside=inside)
        return
    yield node, inside
    for child in node.children:
        yield from _nodes(child, inside=True)
    for file in embedded(node):
        yield from _nodes(file, inside=inside)


def _is_attachment(node: Node, *, first: bool) -> bool:
    """Whether people would call it one: neither a text to read nor a picture of the text nor a signature."""
    kind = node.content_type
    if is_tnef(node) and embedded(node):
        # What it holds is.
        return False
    if kind in _SIGNATURES or kind in _REPORTS or kind in ("application/pgp-encrypted", "message/external-body"):
        return False
    if node.disposition == "attachment":
        return True
    if kind.startswith("text/") and kind not in _TEXT_FOR_OTHER_PROGRAMS:
        return bool(node.filename) and node.disposition != "inline" and not first and not node.alternative
    if kind.startswith("multipart/"):
        return False
    if kind in ("message/rfc822", "message/global"):
        return bool(node.filename)
    return not (kind.startswith("image/") and node.content_id)
