"""Names under which attachments are saved, and how they are written (A1, A2)."""

from __future__ import annotations

import errno
import os
import stat
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from termmail.mime.parts import parse_message
from termmail.mime.save_names import MAX_BYTES, numbered, save_name
from termmail.mime.saving import save_file
from termmail.model.errors import StorageFailed

NASTY = st.text(
    st.one_of(
        st.sampled_from("/\\:.- \0\n\r\t\x1b\x7f\u202e\u200b\u2066\ufeff\ud800<>|?*\"'"),
        st.characters(),
        st.sampled_from("con nul aux prn exe txt pdf"),
    ),
    max_size=300,
)


@pytest.mark.parametrize(
    ("filename", "saved"),
    [
        ("report.pdf", "report.pdf"),
        ("../../.bashrc", "bashrc"),
        ("/etc/passwd", "passwd"),
        ("C:\\Windows\\evil.dll", "evil.dll"),
        ("..", "attachment-3.pdf"),
        ("", "attachment-3.pdf"),
        (".", "attachment-3.pdf"),
        ("folder/", "folder"),
        ("-rf", "rf"),
        (".hidden", "hidden"),
        ("a\0b\nc.txt", "ab c.txt"),
        ("\x1b[31mred.txt", "red.txt"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("a\u200bb.txt", "ab.txt"),
        ("CON.txt", "_CON.txt"),
        ("nul", "_nul"),
        ("LPT1.tar.gz", "_LPT1.tar.gz"),
        ("console.txt", "console.txt"),
        ("what? a: file*.txt", "what_ a_ file_.txt"),
        ("trailing. ", "trailing"),
        ("  spaced   out .txt", "spaced out .txt"),
        ("Gru\u0308n.txt", "Grün.txt"),
        ("???.pdf", "attachment-3.pdf"),
        ("\ud800\udfff.txt", "txt"),
    ],
)
def test_a_name_leads_nowhere_and_hides_nothing(filename: str, saved: str) -> None:
    """A1."""
    assert save_name(filename, "application/pdf", 3) == saved


@pytest.mark.parametrize(
    ("content_type", "extension"),
    [
        ("image/jpeg", ".jpg"),
        ("message/rfc822", ".eml"),
        ("text/calendar", ".ics"),
        ("x/unknown", ".bin"),
        ("", ".bin"),
    ],
)
def test_a_mail_that_gives_no_name(content_type: str, extension: str) -> None:
    """A1: the extension is that of the type."""
    assert save_name("", content_type, 2) == f"attachment-2{extension}"


def test_a_long_name_keeps_its_extension() -> None:
    """A1."""
    name = save_name("ü" * 300 + ".docx")
    assert name.endswith("ü.docx")
    assert len(name.encode()) <= MAX_BYTES
    assert numbered(name, 12).endswith("ü (12).docx")
    assert len(numbered(name, 12).encode()) <= MAX_BYTES


@given(NASTY, st.sampled_from(["image/png", "text/plain", "", "message/rfc822", "x/y"]), st.integers(1, 999))
def test_every_name_is_one_plain_level(filename: str, content_type: str, number: int) -> None:
    """A1: whatever a mail calls a file."""
    name = save_name(filename, content_type, number)
    assert name
    assert name not in (".", "..")
    assert len(name.encode()) <= MAX_BYTES
    assert name[0] not in ".- "
    assert name[-1] not in ". "
    assert not set(name) & set('/\\:\0<>"|?*')
    assert not [one for one in name if unicodedata.category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    assert Path(name).name == name
    stem = name.split(".")[0].casefold()
    assert stem not in {"con", "prn", "aux", "nul", "com1", "lpt1"}
    assert save_name(name, content_type, number) == name
    second = numbered(name, 2)
    assert second != name
    assert len(second.encode()) <= MAX_BYTES


@given(NASTY)
def test_every_name_can_be_written(tmp_path_factory: pytest.TempPathFactory, filename: str) -> None:
    """A1, A2: in the folder and nowhere else."""
    folder = tmp_path_factory.getbasetemp() / "named"
    folder.mkdir(exist_ok=True)
    path = save_file(folder, save_name(filename), b"x")
    assert path.parent == folder
    assert path.read_bytes() == b"x"
    path.unlink()
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("field", "saved"),
    [
        (b"attachment; filename*=utf-8''%2e%2e%2f%2e%2e%2fetc%2fpasswd", "passwd"),
        (b'attachment; filename="=?utf-8?q?..=2F=2Ebashrc?="', "bashrc"),
        (b'attachment; filename*0="a/../"; filename*1="b.txt"', "b.txt"),
        (b"attachment; filename*0*=utf-8''%E2%82; filename*1*=%AC.txt", "€.txt"),
        (b'attachment; filename="x\r\n .txt"', "x .txt"),
    ],
)
def test_names_as_mail_encodes_them(field: bytes, saved: str) -> None:
    """A1: after RFC 2231 and RFC 2047 are decoded, not before."""
    raw = b"Content-Type: application/octet-stream\r\nContent-Disposition: " + field + b"\r\n\r\nx"
    assert save_name(parse_message(raw).parts[0].filename) == saved


def test_a_file_is_private_and_never_replaces_another(tmp_path: Path) -> None:
    """A2: 0600, and "name (2)" beside what is there."""
    names = [save_file(tmp_path, "a.txt", data).name for data in (b"one", b"two", b"three")]
    assert names == ["a.txt", "a (2).txt", "a (3).txt"]
    assert [(tmp_path / name).read_bytes() for name in names] == [b"one", b"two", b"three"]
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in names} == {0o600}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """A2: one that waits under the name of an attachment, dangling or not."""
    target = tmp_path / "precious"
    target.write_bytes(b"precious")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.txt").symlink_to(target)
    (folder / "a (2).txt").symlink_to(tmp_path / "missing")
    assert save_file(folder, "a.txt", b"mail").name == "a (3).txt"
    assert target.read_bytes() == b"precious"
    assert not (tmp_path / "missing").exists()


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A2, X5."""

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFailed, match=r"a\.txt could not be saved .*No space left.*Nothing of it was kept"):
        save_file(tmp_path, "a.txt", b"data")
    assert not list(tmp_path.iterdir())


def test_a_really_full_disk_leaves_nothing() -> None:
    """A2, X5: the kernel's own refusal, by a limit on the size of files in a child."""
    import subprocess
    import sys
    import tempfile

    program = (
        "import resource, signal, sys\nfrom pathlib import Path\nfrom termmail.mime.saving import save_file\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "save_file(Path(sys.argv[1]), 'a.bin', bytes(5000))\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([sys.executable, "-c", program, folder], capture_output=True, text=True, check=False)
        assert "StorageFailed: a.bin could not be saved" in done.stderr
        assert not list(Path(folder).iterdir())


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    """A2."""
    (tmp_path / "file").write_bytes(b"")
    for folder in (tmp_path / "missing", tmp_path / "file"):
        with pytest.raises(StorageFailed, match="can't be opened as a folder"):
            save_file(folder, "a.txt", b"")
