"""What a person types into the fields of an account, looked at while it is typed: what is wrong with it, and what was meant.

Nothing here asks the network, raises or changes what was typed.
"""

from __future__ import annotations

import difflib
import enum
import re
from collections.abc import Collection

import msgspec

from termmail.accounts.account_tables import ACCOUNT_NAME, default_port
from termmail.mime.safe_text import safe_address, safe_text
from termmail.model.account import Security
from termmail.model.errors import UnusablePath
from termmail.model.hosts import is_loopback
from termmail.model.proxy import parse_proxy
from termmail.model.typed_path import typed_path

Service = str
"""imap, pop3 or smtp."""

_COMMON_DOMAINS = (
    "aol.com", "bluewin.ch", "comcast.net", "email.cz", "fastmail.com", "free.fr", "freenet.de", "gmail.com", "gmx.at", "gmx.ch",
    "gmx.com", "gmx.de", "gmx.net", "googlemail.com", "hotmail.com", "hotmail.co.uk", "icloud.com", "interia.pl", "laposte.net",
    "libero.it", "live.com", "mac.com", "mail.com", "mail.ru", "mailbox.org", "me.com", "msn.com", "naver.com", "onet.pl",
    "orange.fr", "outlook.com", "outlook.de", "posteo.de", "proton.me", "protonmail.com", "qq.com", "rambler.ru", "seznam.cz",
    "t-online.de", "web.de", "wp.pl", "yahoo.com", "yahoo.co.jp", "yahoo.co.uk", "yahoo.de", "yahoo.fr", "yandex.com", "yandex.ru",
    "ymail.com", "zoho.com", "163.com", "126.com",
)  # fmt: skip
_TYPED_WRONG = {
    "con": "com",
    "cmo": "com",
    "ocm": "com",
    "comm": "com",
    "vom": "com",
    "ogr": "org",
    "rog": "org",
    "nett": "net",
}
_PORTS_OF = {
    25: "what mail servers use among each other, and is often blocked; 465 (TLS) and 587 (STARTTLS) are for sending",
    80: "for web pages",
    110: "POP3's without TLS, or with STARTTLS",
    143: "IMAP's without TLS, or with STARTTLS",
    443: "for web pages",
    465: "for sending, with TLS",
    587: "for sending, with STARTTLS",
    993: "IMAP's with TLS",
    995: "POP3's with TLS",
    4190: "for filter rules",
}
_AT_LOOKALIKES = str.maketrans({"＠": "@", "﹫": "@"})
_DOT_LOOKALIKES = str.maketrans({"。": ".", "．": ".", "｡": "."})
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
_HOST = re.compile(r"(?=.{1,253}\.?$)(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)*[^\W_](?:[\w-]{0,61}[^\W_])?\.?")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.%\w]*")


class Weight(enum.Enum):
    """Whether one can go on: NOTE says something, DOUBT may be a slip, WRONG has to be changed first."""

    NOTE = "note"
    DOUBT = "doubt"
    WRONG = "wrong"


class Remark(msgspec.Struct, frozen=True):
    """What there is to say about a field: a safe sentence, and what was probably meant, or empty."""

    weight: Weight
    sentence: str
    meant: str = ""


def tidy(text: str) -> str:
    """What was typed without what nobody means: white space around it and invisible characters."""
    return _INVISIBLE.sub("", text).strip()


def check_address(text: str, *, also_known: Collection[str] = ()) -> Remark | None:
    """An e-mail address. `also_known` are domains that count as common beside the usual ones."""
    typed = tidy(text)
    if not typed:
        return _wrong("Type your e-mail address, such as lisa@example.org.")
    meant = _address_in(typed)
    if meant != typed:
        return _wrong(
            f'"{_shown(typed)}" is more than an address.' if "<" in typed or ":" in typed else _has(typed), meant
        )
    local, at, domain = typed.rpartition("@")
    if not at:
        return _wrong("An address has an @ between the name and the domain, such as lisa@example.org.")
    if not local:
        return _wrong("The name before the @ is missing.")
    if not domain:
        return _wrong("The domain after the @ is missing, such as example.org.")
    if "@" in local:
        return _wrong("An address has one @; this one has more.")
    if local.startswith(".") or local.endswith(".") or ".." in typed:
        return _wrong(
            "There is a dot too many.", re.sub(r"\.\.+", ".", local.strip(".")) + "@" + re.sub(r"\.\.+", ".", domain)
        )
    if len(local.encode()) > 64 or len(typed.encode()) > 254:
        return _wrong("This is too long for an address.")
    odd = re.search(r'[\s"(),:;<>\[\]\\]', local)
    if odd:
        return _wrong(f'The name before the @ can\'t have "{_shown(odd[0])}" in it.')
    return _check_domain(local, domain, also_known)


def _check_domain(local: str, domain: str, also_known: Collection[str]) -> Remark | None:
    if domain.endswith("."):
        return _wrong("There is a dot too many at the end.", f"{local}@{domain.rstrip('.')}")
    if not _HOST.fullmatch(domain):
        return _wrong(f'"{_shown(domain)}" can\'t be the name of a domain.')
    known = {*_COMMON_DOMAINS, *also_known}
    lowered = domain.lower()
    if "." not in domain and not is_loopback(domain):
        whole = next((name for name in sorted(known) if name.partition(".")[0] == lowered), "")
        if whole:
            return _wrong("The end of the domain is missing.", f"{local}@{whole}")
        return _doubt("The domain has no dot, as only names in a network of one's own are.")
    near = "" if lowered in known else _near(lowered, known)
    if near:
        return _doubt(f"Do you mean {near}?", f"{local}@{near}")
    if not local.isascii():
        return _doubt("Few servers know letters such as ä before the @. Is it written with others, such as ae?")
    return None


def _near(domain: str, known: Collection[str]) -> str:
    """The common domain that somebody meant who typed this one, or an empty string."""
    name, dot, last = domain.rpartition(".")
    if last in _TYPED_WRONG:
        return f"{name}{dot}{_TYPED_WRONG[last]}"
    for candidate in difflib.get_close_matches(domain, known, 3, 0.75):
        if _slips(domain, candidate) == 1 and candidate.partition(".")[0] not in {"mail", "me", "aol", "wp", "qq"}:
            return candidate
    return ""


def _slips(one: str, other: str) -> int:
    """How many slips of the fingers lie between two words: a letter too many, too few, another, or two exchanged; at most 2."""
    if one == other:
        return 0
    start = next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    a, b = one[start:], other[start:]
    exchanged = a[:2] == b[:2][::-1] and a[2:] == b[2:] and len(a) > 1
    return 1 if a[1:] == b[1:] or a[1:] == b or a == b[1:] or exchanged else 2


def _address_in(typed: str) -> str:
    """The address that was meant by something that holds more or other characters than one has."""
    found = typed.translate(_AT_LOOKALIKES).translate(_DOT_LOOKALIKES)
    found = re.sub(r"^\s*mailto:", "", found, flags=re.I).partition("?")[0]
    angle = re.search(r"<([^<>]*@[^<>]*)>", found)
    if angle:
        found = angle[1]
    found = (
        re.sub(r"\s*\(?\bat\b\)?\s*|\s*\[at\]\s*", "@", found, flags=re.I)
        if "@" not in found and " " in found
        else found
    )
    found = re.sub(r"\s+", "", found).strip("<>,;")
    local, at, domain = found.rpartition("@")
    if at and "," in domain and "." not in domain.rpartition(",")[2]:
        found = f"{local}@{domain.replace(',', '.')}"
    return found


def _has(typed: str) -> str:
    if re.search(r"\s", typed):
        return "There is a space in the address."
    if "," in typed or ";" in typed:
        return "There is a comma in the address."
    return "There are characters in it that no address has."


def check_full_name(text: str) -> Remark | None:
    """The name beside the address."""
    typed = tidy(text)
    if not typed:
        return Remark(Weight.NOTE, "Without a name others see your address alone.")
    if "@" in typed:
        return _doubt("This is your name, as others see it, not the address.")
    if len(typed) > 200:
        return _wrong("This is too long for a name.")
    return None


def check_account_name(text: str, taken: Collection[str] = ()) -> Remark | None:
    """What the account is called here. `taken` are the names of the others."""
    typed = tidy(text)
    if not typed:
        return _wrong("Give the account a name, such as work.")
    if not ACCOUNT_NAME.fullmatch(typed):
        meant = re.sub(r"[^\w.@+-]+", "-", typed).strip("-.@+")[:64]
        return _wrong("The name may have letters, digits and . _ @ + - and begins with a letter or digit.", meant)
    if typed.casefold() in {name.casefold() for name in taken}:
        return _wrong("There is an account of this name already.", free_name(typed, taken))
    return None


def free_name(wanted: str, taken: Collection[str]) -> str:
    """`wanted`, or with the first number that makes it a name no other account has."""
    folded = {name.casefold() for name in taken}
    number, name = 2, wanted
    while name.casefold() in folded:
        name, number = f"{wanted}-{number}", number + 1
    return name


def check_host(text: str) -> Remark | None:
    """The name of a server."""
    typed = tidy(text)
    if not typed:
        return _wrong("Type the server's name, such as mail.example.org.")
    meant = re.sub(r"^[a-z0-9+]+://", "", typed.translate(_DOT_LOOKALIKES), flags=re.I)
    meant = re.sub(r"\s+", "", meant.partition("/")[0])
    if "@" in meant:
        return _wrong("This is an address; a server has a name without @.", meant.rpartition("@")[2])
    if not _IPV6.fullmatch(meant):
        host, colon, port = meant.rpartition(":")
        if colon and port.isdecimal():
            meant = host
        meant = meant.strip("[]")
        if "," in meant and "." not in meant.rpartition(",")[2]:
            meant = meant.replace(",", ".")
    if meant != typed:
        return _wrong("A server's name stands alone, without a port, a space or a //.", meant)
    if not _IPV6.fullmatch(typed) and not _HOST.fullmatch(typed):
        return _wrong(f'"{_shown(typed)}" can\'t be the name of a server.')
    if "." not in typed and ":" not in typed and not is_loopback(typed):
        return _doubt("The name has no dot, as only names in a network of one's own are.")
    return None


def check_port(text: str, service: Service, security: Security) -> Remark | None:
    """The port of a service. One that is usual for another service, or for another kind of security, is a doubt."""
    typed = tidy(text)
    usual = default_port(service, security)
    if not is_number(typed, 65535):
        return _wrong("A port is a number from 1 to 65535.", str(usual))
    port = int(typed)
    fitting = {default_port(service, kind) for kind in Security}
    if port not in fitting and port in _PORTS_OF:
        return _doubt(f"{port} is {_PORTS_OF[port]}.", str(usual))
    if port in fitting and port != usual and Security.TLS in (security, _security_of(service, port)):
        return _doubt(f"{port} is {_PORTS_OF[port]}.", str(usual))
    return None


def _security_of(service: Service, port: int) -> Security | None:
    return Security.TLS if port == default_port(service, Security.TLS) else None


def check_security(security: Security, host: str) -> Remark | None:
    """How the connection is protected."""
    if security is Security.NONE and not is_loopback(tidy(host)):
        return _wrong(
            "Without TLS everybody on the way could read the password; it is accepted for this computer only."
        )
    if security is Security.NONE:
        return _doubt("Insecure: nothing is encrypted on the way.")
    return None


def check_user(text: str) -> Remark | None:
    """The name to sign in with."""
    typed = tidy(text)
    if not typed:
        return _wrong("Type the name to sign in with; mostly it is the address.")
    if re.search(r"\s", typed):
        return _doubt("There is a space in the name.", re.sub(r"\s+", "", typed))
    return None


def check_password(text: str) -> Remark | None:
    """A password. What it is stands in no sentence."""
    if not text:
        return _wrong("Type the password.")
    if re.search(r"[\x00-\x1f\x7f]", text):
        return _wrong("There is a control character in the password. Type it again.")
    if text != text.strip():
        return _doubt("The password begins or ends with a space.", text.strip())
    if not text.isascii():
        return _doubt("Some servers take no letters such as ä in a password.")
    return None


def check_command(text: str) -> Remark | None:
    """The command that prints the password."""
    if not tidy(text):
        return _wrong("Type the command that prints the password, such as: pass show mail/lisa")
    return None


def check_file(text: str) -> Remark | None:
    """The path of a file that is there, or nothing."""
    typed = tidy(text)
    try:
        if not typed or typed_path(typed).is_file():
            return None
    except UnusablePath as error:
        return _wrong(error.sentence)
    return _wrong(
        "There is no such file. It is one in PEM form, with the authority that signed the server's certificate."
    )


def check_proxy(text: str) -> Remark | None:
    """The URL of a proxy, or nothing."""
    typed = tidy(text)
    if not typed or parse_proxy(typed) is not None:
        return None
    meant = next((url for kind in ("socks5", "http") if parse_proxy(url := f"{kind}://{typed}") is not None), "")
    return _wrong("A proxy is written as socks5://127.0.0.1:1080 or http://proxy.example.org:3128.", meant)


def check_days(text: str) -> Remark | None:
    """For how many days."""
    if not is_number(text, 36500):
        return _wrong("Type a number of days from 1 to 36500.", "30")
    return None


def is_number(text: str, most: int) -> bool:
    """Whether it is a number from 1 to so many."""
    typed = tidy(text)
    # Of thousands of digits Python makes no number but an error.
    return re.fullmatch(r"[0-9]{1,9}", typed) is not None and 1 <= int(typed) <= most


def _shown(text: str) -> str:
    return safe_text(safe_address(text), one_line=True)[:60]


def _wrong(sentence: str, meant: str = "") -> Remark:
    return Remark(Weight.WRONG, sentence, meant)


def _doubt(sentence: str, meant: str = "") -> Remark:
    return Remark(Weight.DOUBT, sentence, meant)
