"""What may happen when an attachment is opened with the program that the system has for it (A3)."""

from __future__ import annotations

import enum

_PROGRAM_EXTENSIONS = frozenset((
    "aab", "accde", "ade", "adp", "air", "apk", "apks", "app", "appcontent-ms", "appimage", "appinstaller", "applescript",
    "application", "appref-ms", "appx", "appxbundle", "bash", "bat", "bin", "cab", "cdxml", "chm", "class", "cmd", "com", "command",
    "contact", "cpl", "crx", "csh", "deb", "deskthemepack", "desktop", "diagcab", "diagpkg", "dll", "dmg", "docm", "dotm", "dqy",
    "drv", "ear", "efi", "elf", "exe", "fileloc", "fish", "flatpak", "flatpakref", "flatpakrepo", "gadget", "hlp", "hta", "ica",
    "img", "inetloc", "inf", "ins", "ipa", "ipk", "iqy", "iso", "isp", "jar", "jnlp", "js", "jse", "kdelnk", "kext", "ko", "ksh",
    "library-ms", "lnk", "lua", "mdb", "mde", "mjs", "mobileconfig", "mpkg", "msc", "msh", "msi", "msix", "msixbundle", "msp",
    "mst", "msu", "nrg", "nsh", "ocx", "odc", "one", "onepkg", "oqy", "osax", "osd", "out", "ova", "ovf", "ovpn", "oxt", "pcd",
    "php", "pif", "pkg", "pl", "potm", "ppam", "ppsm", "pptm", "prefpane", "printerexport", "ps1", "ps1xml", "ps2", "psc1", "psc2",
    "psd1", "psm1", "py", "pyc", "pyo", "pyw", "pyz", "pyzw", "qcow2", "qlgenerator", "rb", "rdp", "rdpw", "reg", "rpm", "rqy",
    "run", "saver", "scf", "scpt", "scptd", "scr", "sct", "search-ms", "searchconnector-ms", "service", "settingcontent-ms", "sh",
    "shar", "shb", "shs", "sldm", "slk", "snap", "so", "sparsebundle", "sparseimage", "swf", "sys", "tcl", "terminal", "theme",
    "themepack", "tool", "udf", "udl", "url", "vb", "vbe", "vbs", "vdi", "vhd", "vhdx", "vmdk", "vsix", "war", "wasm", "webloc",
    "website", "wim", "workflow", "ws", "wsb", "wsc", "wsf", "wsh", "xap", "xapk", "xbap", "xla", "xlam", "xll", "xlsb", "xlsm",
    "xltm", "xpi", "zsh",
))  # fmt: skip
_PROGRAM_TYPES = frozenset((
    "application/x-executable", "application/x-elf", "application/x-sharedlib", "application/x-msdownload",
    "application/x-msdos-program", "application/x-dosexec", "application/vnd.microsoft.portable-executable",
    "application/x-desktop", "application/x-sh", "application/x-shellscript", "application/x-csh", "application/x-perl",
    "application/x-python-code", "application/java-archive", "application/x-java-archive", "application/javascript",
    "text/javascript", "application/x-ms-shortcut", "application/x-msi", "application/vnd.debian.binary-package",
    "application/x-debian-package", "application/x-rpm", "application/x-iso9660-image", "text/x-python", "text/x-script.python",
    "text/x-sh", "text/x-shellscript", "text/x-perl", "application/hta", "application/x-java-jnlp-file", "application/vnd.flatpak",
    "application/vnd.flatpak.ref", "application/vnd.flatpak.repo", "application/vnd.snap", "application/vnd.appimage",
    "application/x-iso9660-appimage", "application/x-apple-diskimage", "application/vnd.apple.installer+xml",
    "application/x-apple-aspen-config", "application/x-mswinurl", "application/x-rdp", "application/vnd.ms-htmlhelp",
    "application/x-ms-application", "application/x-xpinstall", "application/vnd.android.package-archive", "application/msix",
    "application/appx", "application/x-vhd", "application/x-raw-disk-image", "application/x-cd-image", "application/onenote",
    "application/msonenote", "application/x-bat", "application/x-ruby", "application/x-php", "application/x-shockwave-flash",
    "application/vnd.microsoft.windows.settingcontent", "application/vnd.ms-cab-compressed", "application/x-ica",
    "application/vnd.ms-excel.sheet.macroenabled.12", "application/vnd.ms-excel.sheet.binary.macroenabled.12",
    "application/vnd.ms-excel.addin.macroenabled.12", "application/vnd.ms-excel.template.macroenabled.12",
    "application/vnd.ms-word.document.macroenabled.12", "application/vnd.ms-word.template.macroenabled.12",
    "application/vnd.ms-powerpoint.presentation.macroenabled.12", "application/vnd.ms-powerpoint.slideshow.macroenabled.12",
    "application/vnd.ms-powerpoint.template.macroenabled.12", "application/vnd.ms-powerpoint.addin.macroenabled.12",
))  # fmt: skip
_PAGE_EXTENSIONS = frozenset(("htm", "html", "mht", "mhtml", "shtml", "svg", "svgz", "xht", "xhtml", "xml"))
_PAGE_TYPES = frozenset(
    ("text/html", "application/xhtml+xml", "image/svg+xml", "multipart/related", "text/xml", "application/xml")
)
_PROGRAM_STARTS = (
    b"\x7fELF", b"MZ", b"#!", b"\xca\xfe\xba\xbe", b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe",
    b"[Desktop Entry]", b"[InternetShortcut]", b"L\0\0\0\x01\x14\x02\0", b"!<arch>\n", b"\xed\xab\xee\xdb",
    b"xar!", b"hsqs", b"FasdUAS", b"conectix", b"vhdxfile", b"ITSF", b"MSCF", b"Cr24", b"[Flatpak Re", b"dex\n",
    b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d",
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
