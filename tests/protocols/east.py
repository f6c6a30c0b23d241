"""The EAST cases for IMAP as scripts: what a hostile server, or somebody on the way, greets with, offers and answers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from protocols.ron import Named, Ron, parse_ron
from servers.scripted import Conversation, Gone

FOLDER = Path(__file__).parents[2].parent / "shared" / "east" / "imap"
"""Beside the checkout, where it is there."""

_VARIANT_FIELD = re.compile(
    r"^\s*//\s*((?:starttls_response|response_after_tls|ignore_commands_tls):.*)$", re.MULTILINE
)
_OVERRIDE = re.compile(r"^\s*//\s*(override_\w+: Some\(No\()((?:\n\s*//.*)*?)\n\s*//\s*\)\),", re.MULTILINE)
_NAMES = {
    "Imap4Rev1": "IMAP4rev1",
    "StartTls": "STARTTLS",
    "LoginDisabled": "LOGINDISABLED",
    "LoginReferrals": "LOGIN-REFERRALS",
    "MailboxReferrals": "MAILBOX-REFERRALS",
    "Idle": "IDLE",
    "Enable": "ENABLE",
}


@dataclass
class Case:
    """One case; `name` is the file's path, with a number where the file describes several."""

    name: str
    fields: dict[str, Ron]

    @property
    def implicit_tls(self) -> bool:
        return self.fields.get("implicit_tls") is True


def cases() -> list[Case]:
    """All cases; none where the folder is not there."""
    found: list[Case] = []
    if not FOLDER.is_dir():
        return found
    for path in sorted(FOLDER.rglob("*.ron")):
        if path.name == "oracles.ron":
            continue
        text = path.read_text()
        name = str(path.relative_to(FOLDER).with_suffix(""))
        for number, variant in enumerate(_variants(text)):
            fields = parse_ron(variant)
            assert isinstance(fields, dict)
            found.append(Case(f"{name}-{number}" if number else name, fields))
    return found


def _variants(text: str) -> list[str]:
    """The text as it is, and once with each group of fields that it holds as comments."""
    groups: list[list[str]] = [[]]
    for match in _VARIANT_FIELD.finditer(text):
        line = match[1].rstrip().rstrip(",")
        if line.startswith("starttls_response") and any(field.startswith("starttls_response") for field in groups[-1]):
            groups.append([])
        groups[-1].append(line)
    found = [text]
    for group in groups:
        if group:
            end = text.rstrip().rindex(")")
            found.append(f"{text[:end].rstrip().rstrip(',')},\n{', '.join(group)},\n)")
    overrides = [re.sub(r"(?m)^\s*//\s*", "", match[0]) for match in _OVERRIDE.finditer(text)]
    if overrides:
        end = text.rstrip().rindex(")")
        found.append(f"{text[:end].rstrip().rstrip(',')},\n{' '.join(overrides)}\n)")
    return found


class EastServer:
    """Plays a case as a script of `ScriptedServer`."""

    def __init__(self, case: Case) -> None:
        self._fields = case.fields
        self._tls = case.implicit_tls
        self._signed_in = False

    def __call__(self, talk: Conversation) -> None:
        self._signed_in = False
        overrides = self._fields.get("override_response", {})
        assert isinstance(overrides, dict)
        talk.send(_text(overrides["greeting"]) if "greeting" in overrides else self._greeting())
        if after := _some(self._fields.get("response_after_greeting")):
            talk.send(_text(after))
        while True:
            try:
                line = talk.read_line()
            except Gone:
                return
            words = line.decode("latin-1").split()
            command = words[1].lower() if len(words) > 1 else ""
            if command in self._list("ignore_commands_tls" if self._tls else "ignore_commands"):
                continue
            if command in self._list("hide_commands"):
                talk.send(b"$TAG BAD unknown command\r\n")
            elif command in overrides:
                talk.send(_answer(overrides[command], talk))
            elif f"hook_{command}" in self._fields:
                raise AssertionError(f"the client went on in the clear with {command}")
            else:
                self._answer(talk, command)

    def _answer(self, talk: Conversation, command: str) -> None:
        override = _some(self._fields.get(f"override_{command}"))
        if isinstance(override, Named):
            talk.send(b"$TAG NO %s %s\r\n" % (_code(override.fields.get("code")), _text(override.fields["text"])))
        elif command == "capability":
            talk.send(b"* CAPABILITY " + self._capabilities() + b"\r\n$TAG OK caps\r\n")
        elif command == "starttls":
            self._start_tls(talk)
        elif command in ("login", "authenticate"):
            if command == "authenticate":
                talk.send(b"+ \r\n")
                tag = talk.tag
                talk.read_line()
                talk.tag = tag
            self._signed_in = True
            talk.send(b"$TAG OK in\r\n")
        elif command == "list":
            talk.send(b'* LIST () "/" INBOX\r\n$TAG OK listed\r\n')
        elif command == "lsub":
            talk.send(b'* LSUB () "/" INBOX\r\n$TAG OK listed\r\n')
        elif command == "status":
            talk.send(b"* STATUS INBOX (MESSAGES 1 UNSEEN 0 UIDNEXT 2 UIDVALIDITY 3)\r\n$TAG OK done\r\n")
        elif command == "select":
            talk.send(b"* 1 EXISTS\r\n* FLAGS ()\r\n* OK [UIDVALIDITY 3] v\r\n* OK [UIDNEXT 2] n\r\n$TAG OK open\r\n")
        elif command == "logout":
            talk.send(b"* BYE bye\r\n$TAG OK out\r\n")
        else:
            talk.send(b"$TAG OK done\r\n")

    def _start_tls(self, talk: Conversation) -> None:
        response = _some(self._fields.get("starttls_response"))
        talk.send(_answer(response, talk) if response else b"$TAG OK begin\r\n")
        if self._fields.get("starttls_transition") is False:
            return
        talk.start_tls()
        self._tls = True
        if after := _some(self._fields.get("response_after_tls")):
            talk.send(_text(after))

    def _greeting(self) -> bytes:
        greeting = self._fields["greeting"]
        assert isinstance(greeting, dict)
        kind = greeting["kind"]
        assert isinstance(kind, Named)
        code = _code(greeting.get("code"))
        return b"* %s %s%s\r\n" % (kind.name.upper().encode(), code + b" " if code else b"", _text(greeting["text"]))

    def _capabilities(self) -> bytes:
        name = "caps" + ("_tls" if self._tls else "") + ("_auth" if self._signed_in else "")
        return b" ".join(_capability(item) for item in self._items(name)) or b"IMAP4rev1"

    def _items(self, name: str) -> list[Ron]:
        value = self._fields.get(name, [])
        assert isinstance(value, list)
        return value

    def _list(self, name: str) -> list[str]:
        value = _some(self._fields.get(name)) or []
        assert isinstance(value, list)
        return [str(item) for item in value]


def _some(value: Ron | None) -> Ron | None:
    if isinstance(value, Named):
        if value.name == "None":
            return None
        if value.name == "Some":
            return value.values[0]
    return value


def _text(value: Ron) -> bytes:
    if isinstance(value, Named):
        return _text(value.values[0])
    assert isinstance(value, str)
    return value.encode()


def _answer(value: Ron, talk: Conversation) -> bytes:
    return _text(value).replace(b"<tag>", talk.tag)


def _code(value: Ron | None) -> bytes:
    code = _some(value)
    if not isinstance(code, Named):
        return b""
    if code.name == "Capability":
        inner = code.values[0]
        assert isinstance(inner, Named)
        items = inner.values[0]
        assert isinstance(items, list)
        return b"[CAPABILITY %s]" % b" ".join(_capability(item) for item in items)
    if code.name == "Referral":
        return b"[REFERRAL %s]" % _text(code.values[0])
    if code.name == "BadCharset":
        return b"[BADCHARSET (kkgIhdNV)]"
    return b"[%s]" % code.name.upper().encode()


def _capability(value: Ron) -> bytes:
    assert isinstance(value, Named)
    if value.name == "Auth":
        return b"AUTH=" + _atom(value.values[0]).upper()
    return _NAMES[value.name].encode() if value.name in _NAMES else _atom(value)


def _atom(value: Ron) -> bytes:
    """The innermost atom, however it is wrapped."""
    while isinstance(value, Named) and (value.values or value.fields):
        value = value.values[0] if value.values else next(iter(value.fields.values()))
    return value.name.encode() if isinstance(value, Named) else str(value).encode()
