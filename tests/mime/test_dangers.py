"""Which attachments may run something when they are opened (A3)."""

from __future__ import annotations

import pytest

from termmail.mime.dangers import Danger, danger_of


@pytest.mark.parametrize(
    ("name", "content_type", "data"),
    [
        ("setup.exe", "application/octet-stream", b""),
        ("photo.jpg.EXE", "image/jpeg", b""),
        ("photo.exe.jpg", "image/jpeg", b"\xff\xd8"),
        ("Mail.desktop", "text/plain", b""),
        ("notes", "application/x-shellscript", b""),
        ("invoice.pdf", "application/pdf", b"#!/bin/sh\n"),
        ("invoice.pdf", "application/pdf", b"\x7fELF\x02"),
        ("invoice.pdf", "application/pdf", b"MZ\x90"),
        ("invoice.txt", "text/plain", b"\xef\xbb\xbf\n[Desktop Entry]\nExec=x"),
        ("budget.xlsm", "application/vnd.ms-excel", b"PK"),
        ("run.py", "text/plain", b"import os"),
        ("minutes", "application/octet-stream", b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3"),
        ("invoice.pdf", "application/pdf", b"xar!\0\x1c"),
        ("invoice.pdf", "application/pdf", b"conectix\0"),
        ("invoice", "application/x-java-jnlp-file", b"<jnlp>"),
        ("budget", "application/vnd.ms-excel.sheet.macroEnabled.12", b"PK"),
    ],
)
def test_programs(name: str, content_type: str, data: bytes) -> None:
    """By the name, the type or the first bytes, whichever says so."""
    assert danger_of(name, content_type, data) is Danger.PROGRAM


@pytest.mark.parametrize(
    "extension",
    [
        "appimage", "applescript", "appref-ms", "appx", "crx", "desktop", "diagcab", "dmg", "flatpakref", "img", "inetloc", "iqy",
        "iso", "jnlp", "library-ms", "lnk", "mobileconfig", "mpkg", "msix", "one", "ovpn", "oxt", "pkg", "rdp", "run", "scpt",
        "search-ms", "settingcontent-ms", "slk", "snap", "theme", "url", "vhd", "vhdx", "vsix", "webloc", "website", "wsb",
        "xlsb", "xpi",
    ],
)  # fmt: skip
def test_what_installs_mounts_or_leads_elsewhere(extension: str) -> None:
    """Files that others' programs act on as on a program: packages, disk images, shortcuts, queries, settings."""
    assert danger_of(f"Invoice.{extension.upper()}", "application/octet-stream", b"") is Danger.PROGRAM


@pytest.mark.parametrize(
    ("name", "content_type", "data"),
    [
        ("page.html", "text/plain", b""),
        ("page", "text/html", b""),
        ("drawing.svg", "image/svg+xml", b""),
        ("letter.txt", "text/plain", b"  <!DOCTYPE html><script>"),
    ],
)
def test_pages(name: str, content_type: str, data: bytes) -> None:
    """What a browser would load and run."""
    assert danger_of(name, content_type, data) is Danger.PAGE


@pytest.mark.parametrize(
    ("name", "content_type", "data"),
    [
        ("invoice.pdf", "application/pdf", b"%PDF-1.7"),
        ("photo.jpg", "image/jpeg", b"\xff\xd8"),
        ("v1.2 notes.txt", "text/plain", b"hello"),
        ("table.csv", "text/csv", b"a,b"),
        ("table.csv", "text/csv", b"ID;Product;Price"),
        ("letter.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", b"PK"),
        ("backup.zip", "application/zip", b"PK"),
        ("", "", b""),
    ],
)
def test_the_rest(name: str, content_type: str, data: bytes) -> None:
    """What is only shown."""
    assert danger_of(name, content_type, data) is Danger.NONE
