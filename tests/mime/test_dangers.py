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
    ],
)
def test_programs(name: str, content_type: str, data: bytes) -> None:
    """By the name, the type or the first bytes, whichever says so."""
    assert danger_of(name, content_type, data) is Danger.PROGRAM


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
        ("", "", b""),
    ],
)
def test_the_rest(name: str, content_type: str, data: bytes) -> None:
    """What is only shown."""
    assert danger_of(name, content_type, data) is Danger.NONE
