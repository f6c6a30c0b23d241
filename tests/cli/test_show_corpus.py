"""Every kind of real mail shows on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli_runner import Cli
from corpus import corpus_messages, require_corpus
from filled_store import FilledStore
from termmail.mime.headers import parse_envelope
from termmail.model.flags import FlagSet
from termmail.model.remote import RemoteHeader


def test_real_mail_is_listed_and_shown(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """P1, P2: a sample of the corpus lists, shows as text and as JSON, and comes back byte for byte."""
    require_corpus()
    messages = [raw for _, raw in corpus_messages(every=97)][:150]
    store = FilledStore(tmp_path / "home", count=0)
    cli = Cli(tmp_path / "home", capfdbinary)
    try:
        for start in range(0, len(messages), 500):
            headers = [
                (RemoteHeader(start + index + 1, FlagSet(), len(raw), 1_700_000_000 + index, b""), parse_envelope(raw))
                for index, raw in enumerate(messages[start : start + 500])
            ]
            store.ingest.add_headers(store.mailboxes["INBOX"], headers)
        ids = {row["uid"]: row["id"] for row in cli.json("list", "-n", str(len(messages)))}
        for uid, raw in enumerate(messages, 1):
            store.add_body(ids[uid], raw)
            message = str(ids[uid])
            cli.ok("show", message)
            shown = cli.json("show", message)
            assert shown["parts"] or not raw.strip()
            assert cli("show", message, "--raw") == 0
            assert cli.output == raw
    finally:
        store.close()
