"""The name under which an attachment is saved: what the mail says, without all that could lead somewhere else or lie (A1)."""

from __future__ import annotations

import mimetypes
import re
import unicodedata

from termmail.mime.safe_text import safe_text

MAX_BYTES = 200

_MAX_EXTENSION = 20
_FORBIDDEN = re.compile(r'[<>:"|?*\x00-\x1f\x7f]+')
_SPACE = re.compile(r"\s+")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|clock\$|conin\$|conout\$)(?=\.|$)", re.IGNORECASE)
_EXTENSIONS = {
    "message/rfc822": ".eml", "message/global": ".eml", "text/plain": ".txt", "text/html": ".html", "text/calendar": ".ics",
    "application/ics": ".ics", "text/vcard": ".vcf", "text/x-vcard": ".vcf", "text/rfc822-headers": ".txt", "image/jpeg": ".jpg",
    "message/delivery-status": ".txt", "application/pgp-signature": ".asc", "application/pkcs7-signature": ".p7s",
    "application/ms-tnef": ".dat", "application/octet-stream": ".bin",
}  # fmt: skip


def save_name(filename: str, content_type: str = "", number: int = 1) -> str:
    """A file name on one level, at most `MAX_BYTES` bytes in UTF-8, for what a mail calls `filename` (decoded); never empty.

    A mail that gives no name that could be used gets `attachment-<number>` with the extension of its type.
    """
    name = filename.replace("\\", "/").rstrip("/ ").rpartition("/")[2]
    name = unicodedata.normalize("NFC", safe_text(name, one_line=True))
    # Characters that nobody sees could make one name look like another, or hide an extension.
    name = "".join(one for one in name if unicodedata.category(one) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
    name = _SPACE.sub(" ", _FORBIDDEN.sub("_", name)).lstrip("-. ").rstrip(". ")
    if _RESERVED.match(name):
        name = f"_{name}"
    stem, extension = _split(name)
    if not stem.strip("_ "):
        return f"attachment-{number}{extension or extension_for(content_type)}"
    return _cut(stem, MAX_BYTES - len(extension.encode())) + extension


def numbered(name: str, count: int) -> str:
    """`name` for the `count`th file of that name in a folder: "name (2).ext"."""
    if count < 2:
        return name
    stem, extension = _split(name)
    mark = f" ({count})"
    return _cut(stem, MAX_BYTES - len((mark + extension).encode())) + mark + extension


def extension_for(content_type: str) -> str:
    """The usual extension of a media type, with its dot; ".bin" where there is none."""
    return _EXTENSIONS.get(content_type) or mimetypes.guess_extension(content_type, strict=False) or ".bin"


def _split(name: str) -> tuple[str, str]:
    """Stem and extension: the last dot and up to 20 bytes without a space."""
    stem, dot, extension = name.rpartition(".")
    if not dot or not stem or " " in extension or not extension or len(extension.encode()) >= _MAX_EXTENSION:
        return name, ""
    return stem, f".{extension}"


def _cut(text: str, most: int) -> str:
    """At most so many bytes, never half a character nor a base without its marks, and no space or dot at the end."""
    data = text.encode()
    if len(data) <= most:
        return text
    cut = data[:most].decode("utf-8", "ignore")
    return cut.rstrip(". ") or cut
