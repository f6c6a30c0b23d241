"""URLs and addresses in text, and which of them may become links (D8)."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from termmail.mime.safe_text import safe_address

MAX_LINKS = 2000
_MAX_URL = 4096

_FOUND = re.compile(
    r"(?P<url>(?:\b(?:https?|ftp)://|\bmailto:|\bwww\.(?=[\w-]{1,63}\.))[^\s<>\"\u00ab\u00bb\u201c-\u201f\u2039\u203a]+)"
    r"|(?P<address>(?<![\w.+%-])[\w+%-][\w.+%-]{0,63}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,9})",
    re.IGNORECASE,
)
_CONTROL = re.compile(r"[\x00-\x20\x7f-\x9f]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_HOST_LIKE = re.compile(r"(?:https?://)?((?:[\w-]{1,63}\.){1,9}[^\W\d_]{2,24})(?:[:/?#]\S*)?$", re.IGNORECASE)
_CLOSING = {")": "(", "]": "[", "}": "{"}
_REFUSED_SCHEMES = ("javascript", "vbscript", "data", "file", "about", "blob", "jar", "view-source")


class Links:
    """The links of one message in the order of its text, each once, and how many were refused."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self.refused = 0
        self.misleading: list[tuple[str, str]] = []
        self._places: dict[str, int] = {}

    def add(self, url: str) -> int:
        """The place of a URL in `urls`, or -1 where it is no link or may not become one."""
        place = self._places.get(url)
        if place is not None:
            return place
        if len(self.urls) >= MAX_LINKS:
            return -1
        safe = safe_url(url)
        if safe is None:
            if is_refused(url):
                self.refused += 1
            return -1
        place = self._places.get(safe)
        if place is None:
            place = len(self.urls)
            self._places[safe] = place
            self.urls.append(safe)
        return place


def safe_url(url: str) -> str | None:
    """`url` safe to show and to open, or None: only http, https and mailto, with a host, without user name, NUL or backslash."""
    url = _CONTROL.sub("", url)
    if len(url) > _MAX_URL or "%00" in url:
        return None
    scheme, rest = _scheme(url)
    if scheme == "mailto":
        return safe_address(url) if "@" in rest and "%0a" not in rest.lower() and "%0d" not in rest.lower() else None
    if scheme not in ("http", "https"):
        return None
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return None
    if not host or "@" in parts.netloc or "\\" in parts.netloc or not rest.startswith("//"):
        return None
    return safe_address(url)


def is_refused(url: str) -> bool:
    """Whether a URL that is no link is a danger to tell of, rather than a relative or local one."""
    scheme, _ = _scheme(_CONTROL.sub("", url))
    return scheme in _REFUSED_SCHEMES or scheme in ("http", "https", "mailto")


def host_of(url: str) -> str:
    """The host of a safe URL, with its punycode where it is not ASCII (D6); of mailto the address."""
    scheme, rest = _scheme(url)
    if scheme == "mailto":
        return rest.partition("?")[0]
    host = urlsplit(url).hostname or ""
    if host.isascii():
        return host
    try:
        return f"{host} = {host.encode('idna').decode('ascii')}"
    except UnicodeError:
        return host


def claimed_host(text: str) -> str:
    """The host a link's text seems to name, or an empty string."""
    match = _HOST_LIKE.match(text.strip()[:300])
    return match[1].lower() if match is not None else ""


def same_site(claimed: str, host: str) -> bool:
    """Whether one of two hosts is the other or lies under it, `www.` apart."""
    one, other = (name.lower().removeprefix("www.").rstrip(".") for name in (claimed, host.partition(" = ")[0]))
    return one == other or one.endswith("." + other) or other.endswith("." + one)


def find_links(text: str) -> list[tuple[int, int, str]]:
    """Where URLs and addresses stand in one line of text: start, end, URL. Takes linear time."""
    if "://" not in text and "@" not in text and "www." not in text and "mailto:" not in text:
        return []
    found: list[tuple[int, int, str]] = []
    for match in _FOUND.finditer(text):
        start = match.start()
        if match["url"] is None:
            found.append((start, match.end(), "mailto:" + match[0]))
            continue
        end = start + len(_trimmed(match[0]))
        url = text[start:end]
        if url[:3].lower() != "ftp" and end - start > 7:
            found.append((start, end, "http://" + url if url[:4].lower() == "www." else url))
    return found


def _scheme(url: str) -> tuple[str, str]:
    match = _SCHEME.match(url)
    return (match[1].lower(), url[match.end() :]) if match is not None else ("", url)


def _trimmed(url: str) -> str:
    """Without the punctuation that belongs to the sentence, keeping brackets that were opened in the URL."""
    while url:
        last = url[-1]
        if last in ".,;:!?'*_~|" or (last in _CLOSING and url.count(last) > url.count(_CLOSING[last])):
            url = url[:-1]
        else:
            break
    return url
