"""A whole message taken apart: its envelope, headers and parts (P1, P5)."""

from __future__ import annotations

from termmail.mime.headers import decode_header, header_fields, parse_envelope
from termmail.mime.preview import looks_attached, preview
from termmail.mime.structure import Node, Tree
from termmail.model.body import HeaderField, ParsedMessage, Part

__all__ = ["looks_attached", "parse_message", "part_bytes", "part_of", "preview"]

_SIGNATURES = ("application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature")
_REPORTS = (
    "message/delivery-status",
    "message/disposition-notification",
    "message/feedback-report",
    "message/global-delivery-status",
)
_TEXT_FOR_OTHER_PROGRAMS = ("text/calendar", "text/vcard", "text/x-vcard", "text/directory", "text/csv", "text/rtf")


def parse_message(raw: bytes) -> ParsedMessage:
    """The message in `raw`, whatever is wrong with it: at most 500 parts, 50 deep, 1,000 fields (P5). Never raises."""
    tree = Tree(raw)
    charset = tree.root.charset
    headers = tuple(HeaderField(name, decode_header(value, charset=charset)) for name, value in header_fields(raw))
    nodes = _leaves(tree.root)
    parts = tuple(part_of(node, first=position == 0) for position, (node, _) in enumerate(nodes))
    own = [part for part, (_, inside) in zip(parts, nodes, strict=True) if not inside]
    bodies = [part for part in own if not part.is_attachment]
    return ParsedMessage(
        envelope=parse_envelope(raw),
        headers=headers,
        parts=parts,
        text_part=next((part for part in bodies if part.content_type == "text/plain"), None),
        html_part=next((part for part in bodies if part.content_type == "text/html"), None),
        attachments=tuple(part for part in own if part.is_attachment),
        defects=tuple(tree.defects),
    )


def part_bytes(raw: bytes, part_path: str) -> bytes:
    """The decoded bytes of one part; of an attached message its bytes as they are. Raises LookupError where there is no such part."""
    node = Tree(raw).find(part_path)
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


def _leaves(node: Node, *, inside: bool = False) -> list[tuple[Node, bool]]:
    """Leaves and attached messages below `node`, each with whether it lies inside an attached message."""
    if node.is_multipart:
        return [leaf for child in node.children for leaf in _leaves(child, inside=inside)]
    found = [(node, inside)]
    for child in node.children:
        found.extend(_leaves(child, inside=True))
    return found


def _is_attachment(node: Node, *, first: bool) -> bool:
    """Whether people would call it one: neither a text to read nor a picture of the text nor a signature."""
    kind = node.content_type
    if kind in _SIGNATURES or kind in _REPORTS or kind == "application/pgp-encrypted":
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
