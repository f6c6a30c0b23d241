"""The one way from the text of a mail, a server or a file name to a widget (D1, D2, D11)."""

from __future__ import annotations

import re
import unicodedata

MAX_MARKS = 20
"""Combining marks and joiners kept on one character (D11)."""

_MAX_BIDI_DEPTH = 60

# Marks are never \w, so a run of other characters outside Latin-1 is the only place where a flood can be.
_FLOOD = re.compile(r"[^\x00-\xff\w]{21}")
_DROPPED_CLASS = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u180e\u200b\u2028\u2029\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb"
    r"\ufdd0-\ufdef\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f"
)
_BIDI_CLASS = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"

# Those that are text are compiled when text that is not ASCII first needs them: each would take a millisecond of every start.
_ASCII_BODY = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_BODY = rf"[{_DROPPED_CLASS}\u202a-\u202e\u2066-\u2069]"
_LINE = rf"[\t\n{_DROPPED_CLASS}{_BIDI_CLASS}]"
_INVISIBLE_CLASS = (
    r"\xad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u2065\u206a-\u206f\u2800\u3164\ufe00-\ufe0f"
    r"\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e01ef"
)
_ADDRESS = rf"[\t\n{_DROPPED_CLASS}{_BIDI_CLASS}{_INVISIBLE_CLASS}]"
_INVISIBLE = rf"[{_INVISIBLE_CLASS}]"

# ECMA-48 §5.4 control sequences, §5.6 command and character strings (ended by ST, BEL or the end of the line, since what is
# unterminated would otherwise stay), and the other escape sequences of ECMA-35 §13.2.
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[\x30-\x3f]*[\x20-\x2f]*[\x40-\x7e]?"
    r"|(?:\x1b[\]P_^X]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[\x20-\x2f]*[\x30-\x7e]?"
)
_LINE_ENDS = re.compile(r"\r\n|[\r\x85\u2028\u2029]")
_DROPPED = rf"[{_DROPPED_CLASS}]"
_BIDI = rf"[{_BIDI_CLASS}]"
_BREAKS = re.compile(r"[\t\n]+")
_RUN = re.compile(r"[^\x00-\xff\w]{21,}")
_BIDI_STACKED = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
_POP_EMBEDDING = "\u202c"
_POP_ISOLATE = "\u2069"


def safe_text(text: str | bytes, *, one_line: bool = False, marks: bool = False) -> str:
    """`text` without anything that could steer a terminal or shift the frame.

    Dropped are C0 (but newline and tab), DEL, C1, escape sequences of ECMA-48 whole, also unterminated ones, lone
    surrogates, noncharacters, and characters without a width that carry no meaning in running text; every kind of line end
    becomes a newline, and more than `MAX_MARKS` combining marks on one character are cut. With `one_line` newlines and tabs
    become a space and bidirectional controls go too; otherwise those are balanced line by line. With `marks` nothing is
    dropped but shown as `\\xNN` or `\\uNNNN`. Bytes are read as UTF-8, or else as windows-1252.

    The result is plain text, not markup: it goes to `Content` or `Text`, never to a sink that reads markup (D3). Never raises.
    """
    if isinstance(text, bytes):
        text = _decode(text)
    if text.isascii():
        if text.isprintable() or not (one_line or _ASCII_BODY.search(text)):
            return text
    elif not (re.search(_LINE if one_line else _BODY, text) or _FLOOD.search(text)):
        return text
    return _clean(text, one_line=one_line, marks=marks)


def safe_address(text: str | bytes) -> str:
    """An address, URL or file name on one line: as `safe_text`, and what is invisible is shown as a `\\uNNNN` mark (D2)."""
    if isinstance(text, bytes):
        text = _decode(text)
    if (text.isascii() and text.isprintable()) or not (re.search(_ADDRESS, text) or _FLOOD.search(text)):
        return text
    return _clean(re.sub(_INVISIBLE, _mark, text), one_line=True, marks=False)


def _decode(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _clean(text: str, *, one_line: bool, marks: bool) -> str:
    text = _LINE_ENDS.sub("\n", text)
    text = re.sub(_DROPPED, _mark, text) if marks else re.sub(_DROPPED, "", _SEQUENCE.sub("", text))
    if one_line:
        text = _BREAKS.sub(" ", re.sub(_BIDI, "", text))
    elif _BIDI_STACKED.search(text):
        text = "\n".join(_balanced(line) if _BIDI_STACKED.search(line) else line for line in text.split("\n"))
    return _RUN.sub(_cut_flood, text)


def _mark(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _cut_flood(match: re.Match[str]) -> str:
    kept: list[str] = []
    count = 0
    for character in match[0]:
        category = unicodedata.category(character)
        if category[0] == "M" or character in "\u200c\u200d":
            count += 1
            if count > MAX_MARKS:
                continue
        elif category != "Cf":
            count = 0
        kept.append(character)
    return "".join(kept)


def _balanced(line: str) -> str:
    """The line with every embedding, override and isolate closed on it, and no closing character without its opening one."""
    open_: list[str] = []

    def keep(match: re.Match[str]) -> str:
        character = match[0]
        if character == _POP_EMBEDDING:
            if not open_ or open_[-1] != _POP_EMBEDDING:
                return ""
            open_.pop()
        elif character == _POP_ISOLATE:
            if _POP_ISOLATE not in open_:
                return ""
            closing = character
            while open_.pop() == _POP_EMBEDDING:
                closing = _POP_EMBEDDING + closing
            return closing
        elif len(open_) >= _MAX_BIDI_DEPTH:
            return ""
        else:
            open_.append(_POP_EMBEDDING if character < "\u2066" else _POP_ISOLATE)
        return character

    balanced = _BIDI_STACKED.sub(keep, line)
    return balanced + "".join(reversed(open_))
