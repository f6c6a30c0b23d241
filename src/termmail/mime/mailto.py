"""mailto: URLs (RFC 6068), of which little is believed (A4)."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

import msgspec

from termmail.mime.safe_text import safe_text
from termmail.model.errors import Unsendable

_LONGEST = 200_000
_ID = re.compile(r"<?([^<>\s]{1,900})>?")


class Mailto(msgspec.Struct, frozen=True):
    """What a URL asks for, as text for the composer's fields. `left_out` names the fields that it may not fill."""

    to: str = ""
    cc: str = ""
    bcc: str = ""
    subject: str = ""
    body: str = ""
    in_reply_to: str = ""
    left_out: tuple[str, ...] = ()


def parse_mailto(url: str) -> Mailto:
    """Take a mailto: URL apart. Raises Unsendable for any other URL. Line ends in fields other than the body are dropped."""
    scheme, colon, rest = url.partition(":")
    if not colon or scheme.strip().casefold() != "mailto" or len(url) > _LONGEST:
        raise Unsendable("That is no mailto: address.")
    path, _, query = rest.partition("#")[0].partition("?")
    found: dict[str, list[str]] = {"to": [_line(path)] if path.strip() else []}
    left_out: list[str] = []
    for pair in query.replace("&amp;", "&").split("&"):
        name, _, value = pair.partition("=")
        name = _line(name).strip().casefold()
        if not name:
            continue
        if name not in ("to", "cc", "bcc", "subject", "body", "in-reply-to"):
            left_out.append(name[:50])
            continue
        found.setdefault(name, []).append(_text(value) if name == "body" else _line(value))
    reply = _ID.fullmatch(found.get("in-reply-to", [""])[0].strip())
    return Mailto(
        to=", ".join(found["to"]),
        cc=", ".join(found.get("cc", [])),
        bcc=", ".join(found.get("bcc", [])),
        subject=" ".join(found.get("subject", [])),
        body="\n".join(found.get("body", [])),
        in_reply_to="" if reply is None else reply[1],
        left_out=tuple(dict.fromkeys(left_out)),
    )


def _text(value: str) -> str:
    # A plus is a plus: this is no form of a web page.
    return safe_text(unquote_to_bytes(value).decode("utf-8", "replace"))


def _line(value: str) -> str:
    decoded = unquote_to_bytes(value).decode("utf-8", "replace")
    return safe_text(re.sub(r"[\r\n]+", "", decoded), one_line=True)
