"""Domains that can be taken for others: mixed scripts, homoglyphs, digits for letters, a slip of one letter (D6)."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from confusable_homoglyphs import categories, confusables

from termmail.mime.domains import organisation

_WRITTEN_TOGETHER = frozenset({"LATIN", "HAN", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO"})
_NO_SCRIPT = frozenset({"COMMON", "INHERITED", "UNKNOWN"})
_ALIKE = str.maketrans({"0": "o", "1": "l", "i": "l", "5": "s", "3": "e", "8": "b", "-": None, "|": "l"})
_ALIKE_PAIRS = (("rn", "m"), ("vv", "w"))
_SHORTEST_SLIP = 6
_LONGEST = 253
_MOST_LABELS = 10


@functools.lru_cache(maxsize=2048)
def to_unicode(host: str) -> str:
    """A host name in lower case with its punycode labels (RFC 3492) as the letters they stand for."""
    host = host[:_LONGEST].lower().rstrip(".")
    if "xn--" not in host:
        return host
    labels = host.split(".")
    return ".".join(_decoded(label) for label in labels)


def to_ascii(host: str) -> str:
    """A host name as it is asked for in the DNS; as it is where it can't be written so."""
    if host.isascii():
        return host
    try:
        return ".".join(
            label if label.isascii() else "xn--" + label.encode("punycode").decode() for label in host.split(".")
        )
    except UnicodeError:
        return host


def has_odd_letters(host: str) -> bool:
    """Whether a host name is one to show in punycode: a label of letters that do not belong together, or that all look Latin."""
    return any(
        not label.isascii() and (_is_mixed(label) or _looks_latin(label)) for label in to_unicode(host).split(".")
    )


class Imitable:
    """Domains that others could be taken for, as `organisation` gives them; the first one counts where two look alike.

    Built once for some thousand domains; a look-up takes some microseconds.
    """

    def __init__(self, domains: Iterable[str]) -> None:
        self._domains = dict.fromkeys(domains)
        self._skeletons: dict[str, str] = {}
        self._names: dict[str, list[str]] = {}
        for domain in self._domains:
            self._skeletons.setdefault(skeleton(domain), domain)
            name, _, suffix = domain.partition(".")
            if len(name) >= _SHORTEST_SLIP:
                self._names.setdefault(suffix, []).append(name)

    def imitated_by(self, host: str) -> str:
        """The domain that a person could take the one of `host` for, empty where there is none or it is one of them itself."""
        written = to_unicode(host)
        own = organisation(written)
        if not own or own in self._domains:
            return ""
        alike = self._skeletons.get(skeleton(own), "")
        return alike or self._in_front(written, own) or self._one_slip_away(own)

    def _in_front(self, host: str, own: str) -> str:
        """The whole of another name in front of one's own: paypal.com.example.net."""
        labels = host.removesuffix(own).rstrip(".").split(".")[-_MOST_LABELS:]
        parts = (
            ".".join(labels[first:last]) for first in range(len(labels)) for last in range(first + 2, len(labels) + 1)
        )
        return next((part for part in parts if part in self._domains), "")

    def _one_slip_away(self, own: str) -> str:
        name, _, suffix = own.partition(".")
        if len(name) < _SHORTEST_SLIP - 1:
            return ""
        known = (other for other in self._names.get(suffix, ()) if abs(len(other) - len(name)) <= 1)
        return next((f"{other}.{suffix}" for other in known if _one_slip(name, other)), "")


@functools.lru_cache(maxsize=4096)
def skeleton(host: str) -> str:
    """The host name with all that looks alike written alike (UTS 39 §4, and what a quick eye takes for a letter)."""
    written = to_unicode(host)
    if not written.isascii():
        written = "".join(map(_latin, written))
    folded = written.translate(_ALIKE)
    for pair, letter in _ALIKE_PAIRS:
        folded = folded.replace(pair, letter)
    return folded


def _decoded(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return label[4:].encode("ascii").decode("punycode").lower()
    except (UnicodeError, ValueError, OverflowError):
        return label


def _is_mixed(label: str) -> bool:
    scripts = {str(categories.alias(character)) for character in label} - _NO_SCRIPT  # type: ignore[no-untyped-call]
    return len(scripts) > 1 and not scripts <= _WRITTEN_TOGETHER


def _looks_latin(label: str) -> bool:
    return all(_latin(character).isascii() for character in label)


@functools.lru_cache(maxsize=4096)
def _latin(character: str) -> str:
    if character.isascii():
        return character
    for found in confusables.confusables_data.get(character, ()):
        if found["c"].isascii() and found["c"].isalnum():
            return str(found["c"]).lower()
    return character


def _one_slip(one: str, other: str) -> bool:
    """Whether one letter was added, left out, or replaced, or two neighbours changed places."""
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    end = 0
    while end < min(len(one), len(other)) - start and one[-1 - end] == other[-1 - end]:
        end += 1
    left, right = one[start : len(one) - end], other[start : len(other) - end]
    return (len(left) <= 1 and len(right) <= 1) or (len(left) == 2 and left == right[::-1])
