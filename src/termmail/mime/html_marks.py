"""Noncharacters that stand for structure between the cleaning of HTML and its lines. A mail's own are removed first."""

from __future__ import annotations

LINK_OPEN, LINK_NUMBERED, LINK_CLOSE = "\ufdd0", "\ufdd1", "\ufdd2"
STRONG_OPEN, STRONG_CLOSE = "\ufdd3", "\ufdd4"
EMPHASIS_OPEN, EMPHASIS_CLOSE = "\ufdd5", "\ufdd6"
HEADING_OPEN, HEADING_CLOSE = "\ufdd7", "\ufdd8"
CODE_OPEN, CODE_CLOSE = "\ufdd9", "\ufdda"
NOTE_OPEN, NOTE_CLOSE = "\ufddb", "\ufddc"
CELL = "\ufddd"
BACKSLASH, AMPERSAND, LESS, GREATER = "\ufdde", "\ufddf", "\ufde0", "\ufde1"
TABLE_OPEN, ROW_OPEN, CELL_OPEN, CELL_TOLD, TABLE_CLOSE = "\ufde2", "\ufde3", "\ufde4", "\ufde5", "\ufde6"
TARGET_OPEN, TARGET_CLOSE = "\ufde7", "\ufde8"
DELETED_OPEN, DELETED_CLOSE = "\ufde9", "\ufdea"
PICTURE_OPEN, PICTURE_TOLD = "\ufdeb", "\ufdec"
RULE = "\ufded"

# html2text takes its time for each entity and escapes what looks like Markdown: it gets neither.
TO_MARKS: dict[int, str | None] = dict.fromkeys(range(0xFDD0, 0xFDF0)) | {
    ord("\\"): BACKSLASH,
    ord("&"): AMPERSAND,
    ord("<"): LESS,
    ord(">"): GREATER,
}
FROM_MARKS: dict[int, str | None] = dict.fromkeys(range(0xFDD0, 0xFDF0)) | {
    ord(BACKSLASH): "\\",
    ord(AMPERSAND): "&",
    ord(LESS): "<",
    ord(GREATER): ">",
}
