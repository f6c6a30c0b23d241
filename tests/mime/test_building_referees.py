"""What was written is read alike by other people's programs: notmuch (GMime) and neomutt (A5, O6 to O8)."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from termmail.mime.building import build
from termmail.model.message import Address
from termmail.model.outgoing import Draft, DraftAttachment

SUBJECT = "Grüße aus 東京, " + "ein Betreff, der auf keine Zeile passt " * 3 + "🚢 ende"
WRITER = Address("Lisa Bränd, née O'Neill", "lisa@demo.example")
PEOPLE = '"Doe, Jürgen" <bob@else.example>, 佐藤 健一 <sato@todai.example>, يوسف <y@mina.example>'
NAMES = ("Übersicht – 2026 (final).txt", "灯台の写真.png", "very " * 30 + 'long "quoted".pdf', "plain.txt")
TEXT = (
    "Hallo,\n\n.a dot, > a mark that is no quote, From the start of a line\n"
    + "a line of very many words that is flowed " * 12
    + "\n> quoted é\n\n-- \nLisa"
)
REFERENCES = tuple(f"{number}.{'x' * 60}@demo.example" for number in range(12))


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    """A Maildir with one message that has everything that is hard to write."""
    draft_folder = tmp_path / "draft"
    for folder in (draft_folder, *(tmp_path / "Maildir" / part for part in ("cur", "new", "tmp"))):
        folder.mkdir(parents=True)
    attachments = []
    for number, name in enumerate(NAMES):
        content = f"content of {number}\n".encode()
        (draft_folder / f"{number}").write_bytes(content)
        attachments.append(
            DraftAttachment(
                name, "text/plain" if name.endswith("txt") else "application/x-odd", f"{number}", len(content)
            )
        )
    draft = Draft(
        id="0" * 16,
        account="lisa",
        from_=WRITER,
        to=PEOPLE,
        bcc="hidden@else.example",
        subject=SUBJECT,
        body=TEXT,
        attachments=tuple(attachments),
        in_reply_to=REFERENCES[-1],
        references=REFERENCES,
    )
    with (tmp_path / "Maildir" / "cur" / "1790000000.1.host:2,S").open("wb") as file:
        build(draft, draft_folder, file, message_id="hard@demo.example", now=1_790_000_000)
    return tmp_path / "Maildir"


@pytest.mark.notmuch
def test_notmuch_reads_it(maildir: Path) -> None:
    """Subject, people, thread, text and the names of the files are those that were meant, and nobody is told of Bcc."""
    config = maildir.parent / "notmuch-config"
    config.write_text(f"[database]\npath={maildir}\n[new]\ntags=\n[user]\nname=x\nprimary_email=x@example.org\n")

    def notmuch(*arguments: str) -> Any:
        environment = {**os.environ, "NOTMUCH_CONFIG": str(config), "HOME": str(maildir.parent), "LC_ALL": "C.UTF-8"}
        return subprocess.run(
            ["notmuch", *arguments], check=True, capture_output=True, env=environment, timeout=60
        ).stdout

    notmuch("new", "--quiet")
    message = json.loads(notmuch("show", "--format=json", "--include-html", "id:hard@demo.example"))[0][0][0]
    headers = message["headers"]
    assert " ".join(headers["Subject"].split()) == " ".join(SUBJECT.split())
    # As people read it, without the quotation marks.
    assert headers["From"].replace('"', "") == f"{WRITER.name} <{WRITER.address}>"
    assert headers["To"].replace('"', "") == PEOPLE.replace('"', "")
    assert "Bcc" not in headers
    (mixed,) = message["body"]
    text, *files = mixed["content"]
    assert [part["filename"] for part in files] == list(NAMES)
    assert "-- \nLisa" in text["content"]
    assert "> quoted é" in text["content"]
    raw = notmuch("show", "--format=raw", "id:hard@demo.example")
    assert b"hidden@else.example" not in raw
    for number in range(len(NAMES)):
        assert (
            notmuch("show", f"--part={number + 3}", "--format=raw", "id:hard@demo.example")
            == f"content of {number}\n".encode()
        )


@pytest.mark.neomutt
def test_neomutt_reads_it(maildir: Path) -> None:
    """The same for mutt, which shows a message as a person sees it."""
    shown = maildir.parent / "shown"
    settings = maildir.parent / "neomuttrc"
    settings.write_text(
        f"set folder = {maildir.parent}\nset spoolfile = {maildir}\nset record = ''\nset quit = yes\nset charset = utf-8\n"
        "set pipe_decode = yes\nset wait_key = no\nset delete = no\nset mark_old = no\nset reflow_text = no\nset my_cat = cat\n"
        f'push "<pipe-message>cat > {shown}<enter><exit>"\n'
    )
    subprocess.run(
        ["script", "-qec", f"neomutt -n -F {settings} -f {maildir}", "/dev/null"],
        check=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "TERM": "xterm", "HOME": str(maildir.parent), "LC_ALL": "C.UTF-8"},
    )
    text = shown.read_text(encoding="utf-8")
    flat = " ".join(text.split())
    assert f"Subject: {' '.join(SUBJECT.split())}" in flat
    assert "佐藤 健一 <sato@todai.example>" in flat
    assert '"Doe, Jürgen" <bob@else.example>' in flat
    assert ".a dot, > a mark that is no quote, From the start of a line" in flat
    assert "content of 0" in flat
    assert "hidden@else.example" not in flat
