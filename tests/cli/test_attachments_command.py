"""`termmail attachments`: what it lists, what it saves, and how it ends."""

from __future__ import annotations

import base64
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli_runner import Cli
from filled_store import FilledStore

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
RAW = (
    b"From: A <a@example.org>\r\nSubject: files\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\n\r\nhello\r\n"
    b'--b\r\nContent-Type: text/csv\r\nContent-Disposition: attachment; filename="../../a\x1b[2J.csv"\r\n\r\nx,y\r\n'
    b"--b\r\nContent-Type: image/png\r\nContent-ID: <logo>\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + base64.encodebytes(PICTURE)
    + b"--b\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment; filename=mail.eml\r\n\r\n"
    b"Subject: inner\r\nContent-Type: application/pdf; name=deep.pdf\r\nContent-Disposition: attachment\r\n\r\n%PDF\r\n"
    b'--b\r\nContent-Type: text/csv\r\nContent-Disposition: attachment; filename="a.csv"\r\n\r\nsecond\r\n'
    b"--b--\r\n"
)
LARGE = (
    b"Subject: large\r\nContent-Type: application/zip; name=a.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + base64.encodebytes(bytes(400_000))
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FilledStore]:
    filled = FilledStore(tmp_path / "home", count=4)
    files, plain, large, _ = filled.ids()
    filled.add_body(files, RAW)
    filled.add_body(plain, b"Subject: plain\r\n\r\nno files\r\n")
    filled.add_body(large, LARGE)
    yield filled
    filled.close()


@pytest.fixture
def cli(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Cli:
    return Cli(tmp_path / "home", capfdbinary)


def message(store: FilledStore, name: str) -> str:
    """The number of one of the messages above; of the last one only the header is here."""
    return str(store.ids()[("files", "plain", "large", "missing").index(name)])


def test_list(store: FilledStore, cli: Cli) -> None:
    """D1, P1: attachments marked, pictures and enclosed mail listed, nothing that steers a terminal."""
    lines = cli.ok("attachments", message(store, "files")).splitlines()
    assert [line.split()[0] for line in lines] == ["2", "3", "4", "4.1", "5"]
    assert ["*" in line for line in lines] == [True, False, True, True, True]
    assert "\x1b" not in cli.output.decode()
    assert "../../a.csv" in lines[0]
    assert "image/png" in lines[1]


def test_save(store: FilledStore, cli: Cli, tmp_path: Path) -> None:
    """A1, A2: the attachments of the message, byte for byte, each under a name of its own, private."""
    folder = tmp_path / "saved"
    saved = cli.json("attachments", message(store, "files"), "--save", str(folder))
    assert [(one["path"], Path(one["saved"]).name) for one in saved] == [
        ("2", "a.csv"),
        ("4", "mail.eml"),
        ("5", "a (2).csv"),
    ]
    assert (folder / "a.csv").read_bytes() == b"x,y"
    assert (folder / "a (2).csv").read_bytes() == b"second"
    assert (folder / "mail.eml").read_bytes().startswith(b"Subject: inner\r\n")
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    again = cli.ok("attachments", message(store, "files"), "--save", str(folder)).splitlines()
    assert [Path(line).name for line in again] == ["a (3).csv", "mail (2).eml", "a (4).csv"]


def test_save_what_is_chosen(store: FilledStore, cli: Cli, tmp_path: Path) -> None:
    """A picture of the text, and a file of an enclosed message."""
    saved = cli.json("attachments", message(store, "files"), "--save", str(tmp_path), "--part", "4.1", "--part", "3")
    assert [Path(one["saved"]).name for one in saved] == ["deep.pdf", "attachment-2.png"]
    assert (tmp_path / "attachment-2.png").read_bytes() == PICTURE


def test_list_as_json(store: FilledStore, cli: Cli) -> None:
    """The documented object."""
    assert cli.json("attachments", message(store, "files"))[1] == {
        "path": "3",
        "name": "",
        "type": "image/png",
        "size": len(PICTURE),
        "disposition": "",
        "attachment": False,
        "saved": None,
    }
    assert cli.json("attachments", message(store, "plain")) == []


def test_large_messages_are_taken_apart_elsewhere(store: FilledStore, cli: Cli, tmp_path: Path) -> None:
    """P5."""
    saved = cli.json("attachments", message(store, "large"), "--save", str(tmp_path))
    assert Path(saved[0]["saved"]).read_bytes() == bytes(400_000)


def test_how_it_ends(store: FilledStore, cli: Cli, tmp_path: Path) -> None:
    """Exit codes as in sysexits(3)."""
    assert cli("attachments", "999") == 66
    assert cli("attachments", message(store, "files"), "--part", "9") == 66
    assert "There is no part 9" in cli.error
    assert cli("attachments", message(store, "plain"), "--save", str(tmp_path / "none")) == 0
    assert "has no attachments" in cli.error
    assert not (tmp_path / "none").exists()
    assert cli("attachments", message(store, "files"), "--save", str(tmp_path / "a" / "b")) == 73
    assert "Nothing was saved" in cli.error
    (tmp_path / "file").write_bytes(b"")
    assert cli("attachments", message(store, "files"), "--save", str(tmp_path / "file")) == 73
    assert cli("attachments", message(store, "missing")) == 75
