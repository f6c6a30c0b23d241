"""Domains that can be taken for others: mixed scripts, homoglyphs, digits for letters, a slip of one letter (D6)."""

from __future__ import annotations

import functools

from confusable_homoglyphs import categories, confusables

from termmail.mime.domains import organisation

_WRITTEN_TOGETHER = frozenset({"LATIN", "HAN", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO"})
_NO_SCRIPT = frozenset({"COMMON", "INHERITED", "UNKNOWN"})
_ALIKE = str.maketrans({"0": "o", "1": "l", "i": "l", "5": "s", "3": "e", "8": "b", "-": None, "|": "l"})
_ALIKE_PAIRS = (("rn", "m"), ("vv", "w"))
_SHORTEST_SLIP = 6
_LONGEST = 253


@functools.lru_cache(maxsize=2048)
def to_unicode(host: str) -> str:
    """A host name in lower case with its punycode labels (RFC 3492) as the letters they stand for."""
    labels = host[:_LONGEST].lower().rstrip(".").split(".")
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


def looks_like(host: str, other: str) -> bool:
    """Whether a person could take the domain of `host` for that of `other`, which it is not."""
    one, two = organisation(to_unicode(host)), organisation(to_unicode(other))
    if not one or not two or one == two:
        return False
    if skeleton(one) == skeleton(two):
        return True
    # The whole of the other name in front of one's own: paypal.com.example.net.
    if f".{to_unicode(host)}".find(f".{two}.") >= 0:
        return True
    name, _, suffix = one.partition(".")
    other_name, _, other_suffix = two.partition(".")
    return suffix == other_suffix and min(len(name), len(other_name)) >= _SHORTEST_SLIP and _one_slip(name, other_name)


@functools.lru_cache(maxsize=4096)
def skeleton(host: str) -> str:
    """The host name with all that looks alike written alike (UTS 39 §4, and what a quick eye takes for a letter)."""
    folded = "".join(_latin(character) for character in to_unicode(host)).translate(_ALIKE)
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
    if abs(len(one) - len(other)) > 1:
        return False
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    end = 0
    while end < min(len(one), len(other)) - start and one[-1 - end] == other[-1 - end]:
        end += 1
    left, right = one[start : len(one) - end], other[start : len(other) - end]
    return (len(left) <= 1 and len(right) <= 1) or (len(left) == 2 and left == right[::-1])
