"""Every message of the corpus is parsed, previewed and rendered without an exception and within its budgets (P1, P5, P6, D1, D11)."""

from __future__ import annotations

import unicodedata

import pytest

from corpus import corpus_messages, require_corpus
from termmail.mime.headers import MAX_FIELDS
from termmail.mime.parts import looks_attached, parse_message, part_bytes, preview
from termmail.mime.render import Preference, render_message
from termmail.mime.structure import MAX_PARTS
from termmail.mime.width import cell_width

SAFE_CATEGORIES = ("Cc", "Cs", "Zl", "Zp")


def is_safe(text: str) -> bool:
    return (text.isascii() and text.isprintable()) or not [
        c for c in text if unicodedata.category(c) in SAFE_CATEGORIES
    ]


def check(every: int, preferences: tuple[Preference, ...]) -> None:
    require_corpus()
    agreed = seen = 0
    for name, raw in corpus_messages(every=every):
        message = parse_message(raw)
        assert len(message.parts) <= MAX_PARTS, name
        assert len(message.headers) <= MAX_FIELDS, name
        for part in message.parts:
            assert len(part_bytes(raw, part.part_path)) <= len(raw), name
        line = preview(raw)
        assert is_safe(line), name
        assert len(line) <= 200, name
        seen += 1
        agreed += looks_attached(raw) == bool(message.attachments)
        for prefer in preferences:
            rendered = render_message(raw, width=80, prefer=prefer)
            for shown in rendered.lines:
                assert is_safe(shown.text), name
                assert cell_width(shown.text) <= 80, name
            for text in (*rendered.links, *rendered.notes, *(part.filename for part in rendered.attachments)):
                assert is_safe(text), name
            if message.text_part is not None or message.html_part is not None:
                assert rendered.source != "none", name
    assert agreed >= 0.98 * seen


def test_a_sample_of_the_corpus() -> None:
    check(12, ("text",))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_whole_corpus() -> None:
    check(1, ("text", "html"))
