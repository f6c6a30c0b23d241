"""What is asked again and again goes by an index, however much mail there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from filled_store import FilledStore
from maildrop_home import MaildropHome, mail
from termmail.store.database import Database

# The index of uploads holds nothing but those.
_WHOLE = re.compile(
    r"SCAN (p|placement|m|message)\b(?! USING INDEX placement_upload)|placement_uid \(base_mailbox_id[>=]\?\)"
)


@pytest.fixture
def bob(tmp_path: Path) -> Iterator[MaildropHome]:
    home = MaildropHome(tmp_path / "home")
    yield home
    home.close()


class Asked:
    """The queries of this thread from now on."""

    def __init__(self, database: Database) -> None:
        self._reader = database.reader()
        self._statements: list[str] = []
        self._reader.set_trace_callback(self._statements.append)

    def whole_tables(self) -> list[str]:
        """Those that look at every message or placement there is."""
        self._reader.set_trace_callback(None)
        queries = [statement for statement in self._statements if statement.lstrip().startswith("SELECT")]
        assert queries
        return [
            query
            for query in queries
            if any(_WHOLE.search(str(row[3])) for row in self._reader.execute(f"EXPLAIN QUERY PLAN {query}"))
        ]


def test_uploads_are_found_by_an_index(tmp_path: Path) -> None:
    store = FilledStore(tmp_path / "home")
    asked = Asked(store.ingest.database)
    store.ingest.place_uploads("lisa")
    assert asked.whole_tables() == []
    store.close()


def test_a_look_at_the_maildirs_goes_by_an_index(bob: MaildropHome) -> None:
    bob.arrive(("a", mail(1)), ("b", mail(2)))
    bob.intents.archive(bob.ids()[:1])
    asked = Asked(bob.ingest.database)
    bob.local.run(thorough=True)
    bob.local.mail.forget_uploads()
    bob.local.mail.write_keywords()
    assert asked.whole_tables() == []
