"""Real mail through a real server into the store."""

from __future__ import annotations

from pathlib import Path

from corpus import corpus_messages, require_corpus
from servers.dovecot import Dovecot
from sync.support import Client


def test_every_message_of_the_corpus_arrives(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """P1, P2: each is listed without a problem, and its bytes are those the server has."""
    require_corpus()
    raws = [raw for _, raw in corpus_messages(every=7) if raw.strip()]
    assert raws
    dovecot_server.make(dovecot_user, "INBOX", raws)
    client = Client(tmp_path / "home", dovecot_server, dovecot_user)
    client.sync()
    assert client.contents() == dovecot_server.state(dovecot_user)
    assert [row.problem for row in client.rows() if row.problem] == []
    assert client.sentences() == []
    client.close()
