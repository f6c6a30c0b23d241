"""Address lists of RFC 5322 §3.4 and §4.4, and what is really sent, by one parser for display, reply and send (P14)."""

from __future__ import annotations

import re

from termmail.mime.encoded_words import decode_words
from termmail.model.message import Address

MAX_ADDRESSES = 2000

_USUAL = re.compile(
    r'\s*(?:(?:"([^"\\]*)"\s*|([^\s"(),:;<>@\[\]\\][^"(),:;<>@\[\]\\]*)?)<([^\s<>"(),:;\\\[\]@]+@[^\s<>"(),:;\\\[\]@]+)>'
    r'|([^\s<>"(),:;\\\[\]@]+@[^\s<>"(),:;\\\[\]@]+))\s*(?:,|$)'
)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ANGLE = re.compile(r'<((?:[^<>"]|"(?:[^"\\]|\\.)*")*)>', re.DOTALL)
_ANGLE_TO_END = re.compile(r"<([^<>,]*)>?")
_LITERAL = re.compile(r"\[[^\[\]<>,]*\]")
_ATOM = re.compile(r'[^\s"(),:;<>\[\\]+')
_COMMENT_PIECE = re.compile(r"[()]|\\.", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SPACE = re.compile(r"\s+")


def parse_addresses(text: str, limit: int = MAX_ADDRESSES) -> tuple[Address, ...]:
    """The addresses of an unfolded field value whose 8 bit characters are decoded already; at most `limit`.

    Understood are quotes, comments, groups (their members), routes (dropped), missing or doubled separators, and unclosed
    quotes, comments and brackets. Names are decoded; addresses are given as they stand, never decoded. Takes linear time and
    never raises.
    """
    found: list[Address] = []
    position = 0
    length = len(text)
    match_usual = _USUAL.match
    while position < length:
        match = match_usual(text, position)
        if match is None or len(found) >= limit:
            break
        quoted, plain, angle, bare = match.groups()
        if bare:
            found.append(Address("", bare))
        else:
            name = quoted or plain or ""
            if "=?" in name:
                name = decode_words(name)
            if "  " in name or not name.isprintable():
                name = _SPACE.sub(" ", name)
            found.append(Address(name.strip(), angle))
        position = match.end()
    if position < length and len(found) < limit:
        parser = _OddParser(text[position:], limit - len(found))
        found.extend(parser.parse())
    return tuple(found)


def is_deceptive(address: Address) -> bool:
    """Whether a sender's name could be taken for an address that it is not (D4)."""
    name = address.name
    return "@" in name and name.strip().strip("<>\"'").casefold() != address.address.casefold()


class _OddParser:
    """Reads what the usual form does not cover, one token after the other.

    `words` holds the tokens of the address under way as (shown, as written, was there space before it, may hold the @).
    """

    def __init__(self, text: str, limit: int) -> None:
        self.text = text
        self.limit = limit
        self.found: list[Address] = []
        self.words: list[tuple[str, str, bool, bool]] = []
        self.comments: list[str] = []
        self.angle: str | None = None
        self.has_at = False
        self.unclosed_quote = False
        self.unclosed_angle = False

    def parse(self) -> list[Address]:
        position = 0
        space = False
        text = self.text
        while position < len(text) and len(self.found) < self.limit:
            character = text[position]
            if character.isspace():
                space = True
                position += 1
                continue
            if character in ",;":
                self.flush()
                position += 1
            elif character == ":":
                self.group_or_word(space)
                position += 1
            elif character == '"':
                position = self.quoted(position, space)
            elif character == "(":
                position = self.comment(position)
            elif character == "<":
                position = self.angle_address(position)
            else:
                position = self.atom(position, space)
            space = False
        self.flush()
        return self.found[: self.limit]

    def quoted(self, position: int, space: bool) -> int:
        match = None if self.unclosed_quote else _QUOTED.match(self.text, position)
        if match is None:
            self.unclosed_quote = True
            return position + 1
        self.add(_ESCAPED.sub(r"\1", match[1]), match[0], space, False)
        return match.end()

    def comment(self, position: int) -> int:
        depth = 0
        for piece in _COMMENT_PIECE.finditer(self.text, position):
            depth += {"(": 1, ")": -1}.get(piece[0], 0)
            if depth == 0:
                self.comments.append(_ESCAPED.sub(r"\1", self.text[position + 1 : piece.start()]))
                return piece.end()
        self.comments.append(self.text[position + 1 :])
        return len(self.text)

    def angle_address(self, position: int) -> int:
        match = None if self.unclosed_angle else _ANGLE.match(self.text, position)
        if match is None:
            # Tried once only: each try may read to the end of the text.
            self.unclosed_angle = True
            match = _ANGLE_TO_END.match(self.text, position)
            if match is None:
                return position + 1
        if self.angle is not None:
            self.flush()
        inner = "".join(match[1].split()) if '"' not in match[1] else match[1].strip()
        if inner.startswith("@") and ":" in inner:
            inner = inner.rpartition(":")[2]
        self.angle = inner
        return match.end()

    def atom(self, position: int, space: bool) -> int:
        text = self.text
        if text[position] == "[":
            match = _LITERAL.match(text, position)
        elif text[position] == "\\":
            escaped = text[position + 1 : position + 2]
            if escaped:
                self.add(escaped, escaped, space, False)
            return position + 2
        else:
            match = _ATOM.match(text, position)
        word = match[0] if match is not None else text[position]
        if word not in ")>":
            self.add(word, word, space, True)
        return position + len(word)

    def group_or_word(self, space: bool) -> None:
        if self.angle is None and not self.has_at:
            self.words.clear()
            self.comments.clear()
        else:
            self.add(":", ":", space, True)

    def add(self, shown: str, written: str, space: bool, bare: bool) -> None:
        if bare and "@" in written:
            if self.angle is not None or (self.has_at and space and written[0] != "@"):
                self.flush()
            self.has_at = True
        self.words.append((shown, written, space, bare))

    def flush(self) -> None:
        """End the address under way."""
        words, comments, angle = self.words, self.comments, self.angle
        self.words, self.comments, self.angle, self.has_at = [], [], None, False
        if angle is None and not words:
            return
        name_words = words
        if angle is None:
            angle, name_words = _address_among(words)
        name = _phrase(name_words)
        if not name and comments:
            name = " ".join(comments)
        if "=?" in name:
            name = decode_words(name)
        name = _SPACE.sub(" ", name).strip()
        if name or angle:
            self.found.append(Address(name, angle))


def _phrase(words: list[tuple[str, str, bool, bool]]) -> str:
    return "".join((" " + shown if space else shown) for shown, _, space, _ in words)


def _address_among(
    words: list[tuple[str, str, bool, bool]],
) -> tuple[str, list[tuple[str, str, bool, bool]]]:
    """The address in a list of words without angle brackets, and the words left over for the name."""
    at = next((index for index, (_, written, _, bare) in enumerate(words) if bare and "@" in written), None)
    if at is None:
        only = words[0]
        if len(words) == 1 and only[3] and only[1].isascii() and not only[1].startswith("=?"):
            return only[1], []
        return "", words
    first = last = at
    while first > 0 and (not words[first][2] or words[first][1][0] in "@." or words[first - 1][1][-1] in "@."):
        first -= 1
    while last + 1 < len(words) and (
        not words[last + 1][2] or words[last][1][-1] in "@." or words[last + 1][1][0] in "@."
    ):
        last += 1
    return "".join(written for _, written, _, _ in words[first : last + 1]), words[:first] + words[last + 1 :]
