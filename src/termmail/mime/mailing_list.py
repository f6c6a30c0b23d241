"""The list that a message came by, and how to leave it (RFC 2369, RFC 2919, RFC 8058)."""

from __future__ import annotations

import re

from termmail.mime.authentication_results import AuthenticationResults
from termmail.mime.charsets import decode_header_bytes
from termmail.mime.domains import is_public_name
from termmail.mime.headers import decode_header, header_fields
from termmail.mime.links import host_of, safe_url
from termmail.mime.safe_text import safe_address, safe_text
from termmail.model.origin import MailingList

ONE_CLICK = "List-Unsubscribe=One-Click"
"""The body of the POST, and the value of List-Unsubscribe-Post that asks for it."""

_MAX_VALUE = 16 * 1024
_MAX_URLS = 20
_MAX_SHOWN = 200
_FOLD = re.compile(rb"\r?\n[ \t]*")
_BRACKETED = re.compile(r"<([^<>]{1,4096})>")
_SPACE = re.compile(r"\s+")
_FIELDS = ("list-id", "list-unsubscribe", "list-unsubscribe-post")


def mailing_list(header: bytes, results: AuthenticationResults | None) -> MailingList | None:
    """What the header says of a list; None where it says nothing. Of each field the first counts. `results` are those of the
    reader's own provider. Never raises."""
    fields: dict[str, bytes] = {}
    signatures: list[bytes] = []
    for name, value in header_fields(header):
        field = name.lower()
        if field in _FIELDS:
            fields.setdefault(field, value[:_MAX_VALUE])
        elif field == "dkim-signature":
            signatures.append(value[:_MAX_VALUE])
    if "list-id" not in fields and "list-unsubscribe" not in fields:
        return None
    phrase, list_id = _name_and_id(fields.get("list-id", b""))
    urls = _urls(fields.get("list-unsubscribe", b""))
    web = [url for url in urls if not url.lower().startswith("mailto:")]
    asks_post = decode_header(fields.get("list-unsubscribe-post", b"")).replace(" ", "").lower() == ONE_CLICK.lower()
    one_click = next((url for url in web if asks_post and _fit_for_post(url)), "")
    return MailingList(
        list_id=list_id,
        name=phrase,
        one_click=one_click,
        mailto=next((url for url in urls if url.lower().startswith("mailto:")), ""),
        link=next(iter(web), ""),
        vouched_by=_vouched_by(signatures, results),
    )


def _name_and_id(value: bytes) -> tuple[str, str]:
    text = decode_header(value)
    start = text.rfind("<")
    phrase, list_id = (text[:start], text[start + 1 :].partition(">")[0]) if start >= 0 else ("", text)
    return (
        safe_text(phrase.strip(' "\t\r\n'), one_line=True)[:_MAX_SHOWN],
        safe_address(_SPACE.sub("", list_id))[:_MAX_SHOWN],
    )


def _urls(value: bytes) -> list[str]:
    """The URLs of the field that may become links at all (D8), in the sender's order."""
    text = decode_header_bytes(_FOLD.sub(b"", value))
    found = [safe_url(_SPACE.sub("", match)) for match in _BRACKETED.findall(text)[:_MAX_URLS]]
    return [url for url in found if url is not None]


def _fit_for_post(url: str) -> bool:
    """https, at a name of the Internet: never something in the reader's own network."""
    host = host_of(url).partition(" = ")[0]
    return url.isascii() and url.lower().startswith("https://") and is_public_name(host)


def _vouched_by(signatures: list[bytes], results: AuthenticationResults | None) -> str:
    """The domain whose signature covers both fields, as RFC 8058 §4 demands, and is valid by the word of the reader's provider."""
    if results is None:
        return ""
    valid = {one.value("header.d") for one in results.results if one.method == "dkim" and one.result == "pass"} - {""}
    for signature in signatures:
        tags = {
            name.strip(): _SPACE.sub("", value).lower()
            for name, _, value in (tag.partition("=") for tag in decode_header_bytes(signature).split(";")[:50])
        }
        covered = set(tags.get("h", "").split(":"))
        if tags.get("d", "") in valid and {"list-unsubscribe", "list-unsubscribe-post"} <= covered:
            return safe_address(tags["d"])
    return ""
