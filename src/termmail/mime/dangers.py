"""What may happen when an attachment is opened with the program that the system has for it (A3)."""

from __future__ import annotations

import enum

_PROGRAM_EXTENSIONS = frozenset((
    "apk", "app", "appimage", "application", "appref-ms", "bash", "bat", "bin", "chm", "class", "cmd", "com", "command", "cpl", "csh",
    "deb", "desktop", "dll", "dmg", "docm", "dotm", "elf", "exe", "fish", "gadget", "hta", "inf", "ins", "iso", "jar", "js", "jse",
    "ksh", "lnk", "lua", "mjs", "msc", "msh", "msi", "msp", "mst", "out", "pif", "pl", "potm", "ppam", "ppsm", "pptm", "ps1", "psm1",
    "py", "pyc", "pyw", "rb", "reg", "rpm", "run", "scf", "scr", "service", "sh", "shb", "shs", "sldm", "so", "tcl", "terminal", "tool",
    "url", "vb", "vbe", "vbs", "webloc", "workflow", "ws", "wsc", "wsf", "wsh", "xbap", "xlam", "xll", "xlsm", "xltm", "zsh",
))  # fmt: skip
_PROGRAM_TYPES = frozenset((
    "application/x-executable", "application/x-elf", "application/x-sharedlib", "application/x-msdownload",
    "application/x-msdos-program", "application/x-dosexec", "application/vnd.microsoft.portable-executable",
    "application/x-desktop", "application/x-sh", "application/x-shellscript", "application/x-csh", "application/x-perl",
    "application/x-python-code", "application/java-archive", "application/x-java-archive", "application/javascript",
    "text/javascript", "application/x-ms-shortcut", "application/x-msi", "application/vnd.debian.binary-package",
    "application/x-debian-package", "application/x-rpm", "application/x-iso9660-image", "text/x-python", "text/x-script.python",
    "text/x-sh", "text/x-shellscript", "text/x-perl", "application/hta",
))  # fmt: skip
_PAGE_EXTENSIONS = frozenset(("htm", "html", "mht", "mhtml", "shtml", "svg", "svgz", "xht", "xhtml", "xml"))
_PAGE_TYPES = frozenset(
    ("text/html", "application/xhtml+xml", "image/svg+xml", "multipart/related", "text/xml", "application/xml")
)
_PROGRAM_STARTS = (
    b"\x7fELF", b"MZ", b"#!", b"\xca\xfe\xba\xbe", b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe",
    b"[Desktop Entry]", b"[InternetShortcut]", b"L\0\0\0\x01\x14\x02\0", b"!<arch>\n", b"\xed\xab\xee\xdb",
)  # fmt: skip
_PAGE_STARTS = (b"<!doctype html", b"<html", b"<svg", b"<?xml")


class Danger(enum.Enum):
    """NONE that is known; PAGE: what shows it may load and run what it refers to; PROGRAM: it may be run."""

    NONE = "none"
    PAGE = "page"
    PROGRAM = "program"


def danger_of(name: str, content_type: str, data: bytes) -> Danger:
    """By its name, its type and its first bytes, the worst of the three: any of them may lie."""
    extensions = {part.strip().lower() for part in name.split(".")[1:]}
    start = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    if extensions & _PROGRAM_EXTENSIONS or content_type.lower() in _PROGRAM_TYPES or start.startswith(_PROGRAM_STARTS):
        return Danger.PROGRAM
    if extensions & _PAGE_EXTENSIONS or content_type.lower() in _PAGE_TYPES or start.lower().startswith(_PAGE_STARTS):
        return Danger.PAGE
    return Danger.NONE
