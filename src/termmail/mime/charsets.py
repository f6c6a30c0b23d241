"""Bytes to text by the charset a mail declares, from an allow-list of codecs (P7)."""

from __future__ import annotations

from functools import lru_cache

_CODECS: dict[str, str] = {
    "utf8": "utf-8",
    "unicode11utf8": "utf-8",
    "unicode20utf8": "utf-8",
    "utf7": "utf-7",
    "unicode11utf7": "utf-7",
    "utf16": "utf-16",
    "utf16le": "utf-16-le",
    "utf16be": "utf-16-be",
    "utf32": "utf-32",
    "utf32le": "utf-32-le",
    "utf32be": "utf-32-be",
    "usascii": "cp1252",
    "ascii": "cp1252",
    "ansix341968": "cp1252",
    "iso646us": "cp1252",
    "latin1": "cp1252",
    "l1": "cp1252",
    "cp819": "cp1252",
    "iso88591": "cp1252",
    "iso88592": "iso8859-2",
    "latin2": "iso8859-2",
    "iso88593": "iso8859-3",
    "iso88594": "iso8859-4",
    "iso88595": "iso8859-5",
    "iso88596": "iso8859-6",
    "iso88597": "iso8859-7",
    "iso88598": "iso8859-8",
    "iso88598i": "iso8859-8",
    "iso88598e": "iso8859-8",
    "iso88599": "cp1254",
    "latin5": "cp1254",
    "iso885910": "iso8859-10",
    "iso885911": "cp874",
    "tis620": "cp874",
    "iso885913": "iso8859-13",
    "iso885914": "iso8859-14",
    "iso885915": "iso8859-15",
    "latin9": "iso8859-15",
    "iso885916": "iso8859-16",
    "macintosh": "mac-roman",
    "macroman": "mac-roman",
    "xmacroman": "mac-roman",
    "xmaccyrillic": "mac-cyrillic",
    "koi8": "koi8-r",
    "koi8r": "koi8-r",
    "koi8u": "koi8-u",
    "koi8ru": "koi8-u",
    "big5": "big5hkscs",
    "big5hkscs": "big5hkscs",
    "cnbig5": "big5hkscs",
    "xxbig5": "big5hkscs",
    "cp950": "cp950",
    "gb2312": "gb18030",
    "gb231280": "gb18030",
    "gbk": "gb18030",
    "xgbk": "gb18030",
    "cp936": "gb18030",
    "cngb": "gb18030",
    "euccn": "gb18030",
    "gb18030": "gb18030",
    "hz": "hz",
    "hzgb2312": "hz",
    "euckr": "cp949",
    "ksc56011987": "cp949",
    "ksc5601": "cp949",
    "ksc56011989": "cp949",
    "korean": "cp949",
    "uhc": "cp949",
    "iso2022kr": "iso2022_kr",
    "eucjp": "euc_jp",
    "xeucjp": "euc_jp",
    "ujis": "euc_jp",
    "shiftjis": "cp932",
    "sjis": "cp932",
    "xsjis": "cp932",
    "mskanji": "cp932",
    "windows31j": "cp932",
    "iso2022jp": "iso2022_jp_ext",
    "iso2022jp1": "iso2022_jp_ext",
    "iso2022jp2": "iso2022_jp_2",
    "iso2022jp3": "iso2022_jp_3",
    "iso2022jpms": "iso2022_jp_ext",
    "csiso2022jp": "iso2022_jp_ext",
}
for _page in (437, 737, 775, 850, 852, 855, 857, 858, 860, 861, 862, 863, 864, 865, 866, 869, 874, 932, 949):
    for _prefix in ("cp", "ibm", "dos"):
        _CODECS[f"{_prefix}{_page}"] = f"cp{_page}"
    _CODECS[f"windows{_page}"] = f"cp{_page}"
for _page in range(1250, 1259):
    for _prefix in ("cp", "windows", "xcp", "win"):
        _CODECS[f"{_prefix}{_page}"] = f"cp{_page}"

_RELATIVES = {"iso2022_jp_ext": ("euc_jp", "cp932"), "euc_jp": ("cp932",), "cp932": ("euc_jp",)}
_ASCII = bytes(range(128))
_SEPARATORS = str.maketrans("", "", "-_. :()'\"\t")


@lru_cache(maxsize=256)
def codec_for(charset: str) -> str | None:
    """Python's name of the codec for a declared charset, or None where it is unknown or not allowed.

    Labels that are used for their superset in practice get the superset, as WHATWG's encoding standard says.
    """
    return _CODECS.get(charset.partition("*")[0].lower().translate(_SEPARATORS)[:40])


def decode_text(data: bytes, charset: str = "") -> str:
    """`data` as text: by the charset declared, else UTF-8, else windows-1252 with replacement characters. Never raises.

    Text declared as ASCII, or not declared, that is valid UTF-8 is taken as that. The result holds no surrogates.
    """
    codec = codec_for(charset) if charset else None
    if codec is None or codec == "cp1252":
        return _western(data, declared=codec is not None and "ascii" not in charset.lower())
    if codec.startswith(("utf-16", "utf-32")) and data.isascii() and b"\0" not in data:
        return data.decode("ascii")
    try:
        text = data.decode(codec)
    except ValueError:
        if codec != "utf-8":
            for guess in ("utf-8", *_RELATIVES.get(codec, ())):
                try:
                    return data.decode(guess)
                except UnicodeDecodeError:
                    continue
            return _scrubbed(data.decode(codec, "replace"))
        return data.decode("cp1252", "replace") if _mostly_broken(data) else _scrubbed(data.decode(codec, "replace"))
    return _scrubbed(text) if codec == "utf-7" else text


def decode_header_bytes(data: bytes, charset: str = "") -> str:
    """Header text with unencoded 8 bit characters (P8): UTF-8, else the charset the mail declares for its body, else windows-1252."""
    if data.isascii():
        if b"\x1b$" in data or b"\x1b(" in data:
            try:
                return data.decode("iso2022_jp_ext")
            except UnicodeDecodeError:
                return data.decode("ascii")
        return data.decode("ascii")
    try:
        return data.decode()
    except UnicodeDecodeError:
        pass
    codec = codec_for(charset) if charset else None
    if codec is not None and not codec.startswith("utf"):
        try:
            return data.decode(codec)
        except UnicodeDecodeError:
            return data.decode("cp1252", "replace")
    return data.decode("utf-8", "replace") if not _mostly_broken(data) else data.decode("cp1252", "replace")


def _western(data: bytes, *, declared: bool) -> str:
    if data.isascii():
        return data.decode("ascii")
    if not declared:
        try:
            return data.decode()
        except UnicodeDecodeError:
            return data.decode("cp1252", "replace")
    return data.decode("cp1252", "replace")


def _mostly_broken(data: bytes) -> bool:
    """Whether `data` is hardly UTF-8 at all, so that windows-1252 is the better guess than a few replacement characters."""
    replaced = data.decode("utf-8", "replace").count("\ufffd")
    return replaced * 2 > len(data.translate(None, _ASCII))


def _scrubbed(text: str) -> str:
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
