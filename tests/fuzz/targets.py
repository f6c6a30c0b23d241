"""What is fuzzed (P15): each target takes any bytes, and fails by an exception or an assertion."""

from __future__ import annotations

import random
import socket
import unicodedata
from collections.abc import Callable, Mapping

from mime_safety import assert_safe
from termmail.mime.addresses import parse_addresses
from termmail.mime.authentication_results import parse_authentication_results
from termmail.mime.dates import parse_date
from termmail.mime.headers import decode_header, header_fields, parse_envelope, split_header
from termmail.mime.journey import journey
from termmail.mime.known_senders import KnownSenders
from termmail.mime.mailto import parse_mailto
from termmail.mime.origin import origin
from termmail.mime.parts import looks_attached, parse_message, part_bytes, preview
from termmail.mime.render import message_text, render_message
from termmail.mime.replying import original, reply
from termmail.mime.safe_text import safe_address, safe_text
from termmail.mime.width import cell_width
from termmail.model.account import Identity
from termmail.model.body import Rendered
from termmail.model.errors import ConnectionLost, ProtocolViolation, Unsendable
from termmail.model.message import Address
from termmail.model.origin import MailOwner
from termmail.model.outgoing import Correspondent, ReplyKind
from termmail.protocols.imap.attributes import AttributeCache, fetch_attributes, parse_flags, parse_modseq
from termmail.protocols.imap.listing import parse_row, parse_status_row
from termmail.protocols.imap.responses import LiteralTooLarge, Malformed, Response, read_response, untagged_status
from termmail.protocols.imap.unsolicited import Collector
from termmail.protocols.pop3.body import BodyReader
from termmail.protocols.pop3.replies import parse_capability
from termmail.protocols.pop3.replies import parse_reply as parse_pop3_reply
from termmail.protocols.smtp.replies import Reply, parse_line
from termmail.protocols.smtp.stuffing import Stuffer
from termmail.protocols.tls import Lifeline
from termmail.protocols.wire import Wire

_UNSAFE = ("Cc", "Cs", "Zl", "Zp")
_KNOWN = KnownSenders([Correspondent("mira@skarvik.example", "Mira Okonkwo", 3, 0, 3, 0)])
_OWNER = MailOwner((Address("Lisa", "lisa@b.example"),), ("imap.b.example",))
_ME = (Identity("Lisa", "lisa@b.example"),)


def header_block(data: bytes) -> None:
    """A header block: its envelope, its fields, the way it took, where it comes from."""
    envelope = parse_envelope(data)
    for _, value in header_fields(data):
        assert_safe_line(safe_text(decode_header(value), one_line=True))
    assert 0 <= split_header(data) <= len(data)
    assert_safe(journey(data))
    found = origin(envelope, data, known=_KNOWN, owner=_OWNER)
    assert_safe(found.trust)
    if found.mailing_list is not None:
        assert_safe(found.mailing_list)
    assert_safe(parse_authentication_results(data))


def addresses(data: bytes) -> None:
    """The value of an address field; what is shown is what is used (P14)."""
    for address in parse_addresses(data.decode("latin-1")):
        assert_safe_line(safe_address(address.address))
        assert_safe_line(safe_text(address.name, one_line=True))


def date(data: bytes) -> None:
    """The value of a Date field (P9)."""
    for text in (data.decode("latin-1"), data.decode("utf-8", "replace")):
        found = parse_date(text)
        assert found is None or isinstance(found, int)


def body(data: bytes) -> None:
    """A whole message, taken apart, laid out, quoted."""
    message = parse_message(data)
    for part in message.parts:
        assert len(part_bytes(data, part.part_path)) <= len(data)
    looks_attached(data)
    assert_safe_line(preview(data))
    for prefer in ("text", "html"):
        check_rendered(render_message(data, width=72, prefer=prefer))
    check_rendered(render_message(data, width=20, stripped=True))
    for line in message_text(data).split("\n"):
        assert_safe_line(line.replace("\t", " "))


def html(data: bytes) -> None:
    """The HTML of a message."""
    check_rendered(render_message(b"Content-Type: text/html; charset=utf-8\r\n\r\n" + data, width=72))


def answer(data: bytes) -> None:
    """A message that is replied to (A5)."""
    for kind in ReplyKind:
        try:
            draft = reply(original(data), draft_id="d", account="a", identities=_ME, kind=kind)
        except Unsendable:
            continue
        assert_safe_line(draft.subject)
        for text in (draft.to, draft.cc):
            assert_safe_line(text)


def mailto(data: bytes) -> None:
    """A mailto: URL (A4)."""
    try:
        found = parse_mailto("mailto:" + data.decode("latin-1"))
    except Unsendable:
        return
    for text in (found.to, found.cc, found.bcc, found.subject, found.in_reply_to):
        assert_safe_line(text)


def imap(data: bytes) -> None:
    """What an IMAP server sends: each response is read, and is malformed or has values."""
    cache = AttributeCache()
    collector = Collector(None)
    for response in _responses(data):
        untagged_status(response)
        collector.take(response)
        for parse in (_fetched(cache), parse_row, parse_status_row, Response.values):
            try:
                parse(response)
            except Malformed:
                continue
    collector.take_all()


def pop3(data: bytes) -> None:
    """A multi-line response of a POP3 server, in blocks of any size: the same bytes as all at once (P11)."""
    whole, ended = _unstuffed(data, len(data) or 1)
    for size in (1, 2, 3, 7):
        assert _unstuffed(data, size) == (whole, ended)
    for line in data.split(b"\r\n"):
        parse_pop3_reply(line)
        parse_capability(line)


def smtp(data: bytes) -> None:
    """Replies of an SMTP server, and a body on its way to one: what goes out stuffed comes back as it was (O7)."""
    lines: list[bytes] = []
    for line in data.split(b"\r\n"):
        found = parse_line(line)
        if found is None:
            continue
        code, text, more = found
        lines.append(text)
        if not more:
            done = Reply(code, tuple(lines))
            assert b"\r\n" not in done.text
            assert done.enhanced == "" or done.enhanced[0] in "245"
            lines = []
    body = data.replace(b"\r", b"").replace(b"\n", b"\r\n")
    stuffer = Stuffer()
    choice = random.Random(len(data))
    sent = b""
    position = 0
    while position < len(body):
        size = choice.randint(1, 9)
        sent += stuffer.feed(body[position : position + size])
        position += size
    sent += stuffer.end() + b".\r\n"
    received, ended = _unstuffed(sent, 5)
    assert ended
    assert received.removesuffix(b"\r\n") == body.removesuffix(b"\r\n")


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (header_block, addresses, date, body, html, answer, mailto, imap, pop3, smtp)
}


def assert_safe_line(text: str) -> None:
    """One line without a control character."""
    if not (text.isascii() and text.isprintable()):
        assert not [character for character in text if unicodedata.category(character) in _UNSAFE], repr(text)


def check_rendered(rendered: Rendered) -> None:
    """Everything in it is safe, and no line is wider than asked for."""
    for line in rendered.lines:
        assert_safe_line(line.text)
    for text in (
        *rendered.links,
        *rendered.notes,
        rendered.protection,
        *(part.filename for part in rendered.attachments),
    ):
        assert_safe_line(text)
    assert max((cell_width(line.text) for line in rendered.lines), default=0) <= 72


def _fetched(cache: AttributeCache) -> Callable[[Response], object]:
    def parse(response: Response) -> object:
        found = fetch_attributes(response)
        for name, value in found.items():
            if name == b"FLAGS":
                parse_flags(value)
            elif name == b"MODSEQ":
                parse_modseq(value)
            elif name == b"INTERNALDATE" and isinstance(value, bytes):
                assert isinstance(cache.received_at(value), int)
        return found

    return parse


def _responses(data: bytes) -> list[Response]:
    server, client = socket.socketpair()
    found: list[Response] = []
    with server, client:
        server.sendall(data[: 64 * 1024])
        server.shutdown(socket.SHUT_WR)
        wire = Wire(client, "fuzz", timeout=5, lifeline=Lifeline())
        try:
            while True:
                found.append(read_response(wire, keep=1 << 16, drop=1 << 20))
        except (ConnectionLost, ProtocolViolation, LiteralTooLarge):
            return found


def _unstuffed(data: bytes, size: int) -> tuple[bytes, bool]:
    reader = BodyReader()
    found = b""
    for start in range(0, len(data), size):
        block = data[start : start + size]
        piece, _ = reader.feed(block, 0)
        found += piece
        if reader.ended:
            break
    return found, reader.ended
