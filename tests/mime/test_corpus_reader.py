"""The reader of the corpus itself."""

from __future__ import annotations

from corpus import corpus_messages, require_corpus, split_mbox


def test_mbox_is_split_at_from_lines_after_an_empty_line() -> None:
    data = b"From a@b Mon\nSubject: 1\n\ntext\nFrom here on\n\nFrom c@d Tue\r\nSubject: 2\r\n\r\nx\r\n"
    assert split_mbox(data) == [b"Subject: 1\n\ntext\nFrom here on\n\n", b"Subject: 2\r\n\r\nx\r\n"]


def test_what_is_not_an_mbox_is_one_message() -> None:
    assert split_mbox(b"Subject: 1\n\nFrom a@b\n") == [b"Subject: 1\n\nFrom a@b\n"]


def test_sample_of_the_corpus_has_named_messages() -> None:
    require_corpus()
    names = [name for name, raw in corpus_messages(every=50) if raw]
    assert len(names) > 100
    assert len(set(names)) == len(names)
