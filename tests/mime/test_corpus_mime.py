"""Every message of the corpus is parsed, previewed and rendered without an exception and within its budgets (P1, P5, P6, D1, D11)."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from corpus import corpus_messages, require_corpus
from termmail.mime.headers import MAX_FIELDS
from termmail.mime.part_view import view_part
from termmail.mime.parts import listed_parts, looks_attached, parse_message, part_bytes, preview
from termmail.mime.render import Preference, render_message
from termmail.mime.save_names import save_name
from termmail.mime.saving import save_file
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


def check_parts(every: int, folder: Path) -> None:
    require_corpus()
    saved = 0
    for name, raw in corpus_messages(every=every):
        for number, part in enumerate(listed_parts(raw), 1):
            shown = view_part(raw, part.part_path, width=80)
            for line in shown.lines:
                assert is_safe(line.text), name
                assert cell_width(line.text) <= 80, name
            for text in (*shown.links, *shown.notes, *(each.filename for each in shown.attachments)):
                assert is_safe(text), name
            data = part_bytes(raw, part.part_path)
            path = save_file(folder, save_name(part.filename, part.content_type, number), data)
            assert path.parent == folder, name
            assert path.read_bytes() == data, name
            path.unlink()
            saved += 1
    assert saved > 3000 / every / 3
    assert not list(folder.iterdir())


def test_the_parts_of_a_sample_are_viewed_and_saved(tmp_path: Path) -> None:
    """P1, A1, A2, D1."""
    check_parts(12, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_all_parts_of_the_corpus_are_viewed_and_saved(tmp_path: Path) -> None:
    """P1, A1, A2, D1."""
    check_parts(1, tmp_path)


def test_bounces_name_their_recipients() -> None:
    """Nearly every bounce of some sixty mail systems says whom it is about and why, in its first lines."""
    require_corpus()
    bounces = told = 0
    for name, raw in corpus_messages():
        if "sisimai" not in name:
            continue
        bounces += 1
        lines = render_message(raw, width=100).lines
        told += bool(lines) and lines[0].text.startswith(
            ("Not delivered to ", "Not yet delivered to ", "Delivered to ")
        )
    assert bounces > 300
    assert told >= 0.85 * bounces
