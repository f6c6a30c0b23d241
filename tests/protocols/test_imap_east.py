"""EAST: STARTTLS and tampering cases against the real client (T4 to T10).

A case passes when nothing but harmless commands leaves before TLS, no credential does, nothing said before TLS is believed,
shown or logged, and the client either goes on securely or stops for the reason it should.
"""

from __future__ import annotations

import base64
import contextlib
import re

import pytest

from protocols.east import FOLDER, Case, EastServer, cases
from protocols.ron import Named, parse_ron
from servers.scripted import ScriptedServer
from servers.tls import Authority
from termmail.model.account import Security, Server
from termmail.model.errors import TermmailError
from termmail.model.secret import Secret
from termmail.protocols import imap

CASES = cases()
MARKERS = (
    "7XiYhgS7",
    "529001",
    "718001",
    "Injected",
    "Attacker-controlled text",
    "bAjdyeKO",
    "attacker",
    "Click me",
    "prefix",
)
PASSWORD = "PASSWORD"
ALLOWED = {"CAPABILITY", "STARTTLS", "ID", "NOOP", "LOGOUT"}
CREDENTIALS = (
    PASSWORD.encode(),
    base64.b64encode(PASSWORD.encode()),
    base64.b64encode(f"\0lisa\0{PASSWORD}".encode()),
    b"lisa",
)

# Where a client that wants STARTTLS has to stop, and as what.
STOPS = {
    "Buffering/B_1-1": "InsecureConnection",
    "Buffering/B_2-2": "InsecureConnection",
    "Buffering/B_3-1": "InsecureConnection",
    **{f"Negotiation/D_{number}": "InsecureConnection" for number in (1, 2, 3)},
    **{f"Negotiation/O_{number}": "InsecureConnection" for number in (1, 2, 3, 4)},
    **{f"Negotiation/P_{number}": "InsecureConnection" for number in (1, 2, 3, 4, 5)},
    "Negotiation/P": "InsecureConnection",
    "Negotiation/M_1_A": "InsecureConnection",
    "Negotiation/M_1_A-1": "InsecureConnection",
    "Negotiation/L_1_A-1": "SignInRefused",
    "Negotiation/M_2_A-1": "ServerRefused",
    "others/X_1": "InsecureConnection",
    "others/exploit/stripping_drafts": "InsecureConnection",
    "others/protocol/construction/01_greeting_invalid": "ProtocolViolation",
    "others/protocol/construction/02_greeting_invalid_ok": "ProtocolViolation",
    "others/protocol/construction/03_greeting_invalid_invalid_ok": "ProtocolViolation",
    "others/reproduction/balsa_issue_48": "ProtocolViolation",
    "others/protocol/construction/reorder": "ConnectionLost",
    "others/protocol/greeting/04_greeting_preauth": "InsecureConnection",
    "others/protocol/greeting/05_greeting_bye": "ConnectionLost",
}

needs_cases = pytest.mark.skipif(not CASES, reason=f"the EAST cases are not at {FOLDER}")


@needs_cases
def test_all_cases_are_read() -> None:
    assert len({case.name.partition("-")[0] for case in CASES}) >= 70
    assert STOPS.keys() <= {case.name for case in CASES}


@needs_cases
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_east(case: Case, authority: Authority) -> None:
    log: list[str] = []
    shown: list[str] = []
    security = Security.TLS if case.implicit_tls else Security.STARTTLS
    stopped = ""
    with ScriptedServer(EastServer(case), certificate=authority.good, implicit_tls=case.implicit_tls) as server:
        try:
            session = imap.connect(
                Server("localhost", server.port, security),
                "lisa",
                Secret(PASSWORD),
                ca_file=str(authority.ca),
                timeouts=imap.Timeouts(connect=2, command=2),
                trace=log.append,
            )
            with contextlib.closing(session):
                listing = session.list_mailboxes(with_status=True)
                shown += [repr(listing), repr(session.select(b"INBOX")), repr(session.capabilities)]
                shown.append(repr(session.take_unsolicited()))
            assert [mailbox.name for mailbox in listing.mailboxes] == ["INBOX"]
        except TermmailError as error:
            stopped = type(error).__name__
            shown += [error.sentence, error.detail]
    assert server.connections == 1
    in_clear = b"" if case.implicit_tls else server.in_clear
    sent = {words[1].upper().decode() for line in in_clear.splitlines() if len(words := line.split()) > 1}
    assert sent <= ALLOWED
    assert not any(credential in in_clear for credential in CREDENTIALS)
    found = [marker for marker in MARKERS if marker in " ".join(log + shown)]
    # What comes after TLS is the server's own word, and may be shown as such.
    assert not found or case.name in ("Buffering/B_2-3", "Negotiation/L_1_A-1", "Negotiation/M_2_A-1")
    assert re.sub("^$", "-", stopped) == STOPS.get(case.name, "-"), shown


def test_the_reader_of_ron() -> None:
    text = '(a: Some(No(x: "q\\r\\n", y: [A, B(1)])), // (\n b: {"k": true}, c: (D),)'
    parsed = parse_ron(text)
    assert parsed == {
        "a": Named("Some", [Named("No", [], {"x": "q\r\n", "y": [Named("A"), Named("B", [1])]})]),
        "b": {"k": True},
        "c": [Named("D")],
    }
    with pytest.raises(ValueError, match="expected"):
        parse_ron("(a: [1 2])")
