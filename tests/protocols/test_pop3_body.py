"""The reader of multi-line answers: P11, P15."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from termmail.protocols.pop3.body import BodyReader

AWKWARD = st.lists(
    st.sampled_from([b"\r\n", b"\r", b"\n", b".", b"..", b"\r\n.", b"\n.\n", b"x", b"\0", b"\r\n.\r", b"+OK\r\n"]),
    max_size=30,
).map(b"".join)


def stuffed(raw: bytes) -> bytes:
    return re.sub(rb"(\A|\r\n)\.", rb"\1..", raw) + b".\r\n"


def read(blocks: list[bytes]) -> tuple[list[bytes], bytes]:
    """The messages of a stream that comes in these blocks, and what is left of it."""
    found: list[bytes] = []
    reader, content = BodyReader(), b""
    for block in blocks:
        pos = 0
        while True:
            piece, pos = reader.feed(block, pos)
            content += piece
            if not reader.ended:
                assert pos == len(block)
                break
            found.append(content)
            reader, content = BodyReader(), b""
    return found, content


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@given(st.lists(AWKWARD, max_size=4), st.lists(st.integers(0, 10_000), max_size=30))
def test_any_chunking_gives_the_same_messages(bodies: list[bytes], places: list[int]) -> None:
    """P11: what was sent comes back, in whatever pieces, and the stream stays in step."""
    whole = [raw + b"\r\n" if raw else raw for raw in bodies]
    stream = b"".join(map(stuffed, whole))
    assert read(cut(stream, places)) == (whole, b"")
    assert read([stream[at : at + 1] for at in range(len(stream))]) == (whole, b"")


@given(AWKWARD, st.lists(st.integers(0, 10_000), max_size=30))
def test_any_stream_is_read_alike_in_any_pieces(stream: bytes, places: list[int]) -> None:
    """P15: also what no server should send."""
    stream += b"\r\n.\r\n"
    found = read([stream])
    assert read(cut(stream, places)) == found
    assert read([stream[at : at + 1] for at in range(len(stream))]) == found
    lines = stream.split(b"\r\n")
    assert len(found[0]) == lines.count(b".")


@pytest.mark.parametrize(
    ("stream", "content"),
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b".x\r\n.y\r\n.\r\n", b"x\r\ny\r\n"),
        (b"a\n.\nb\r\n.\r\n", b"a\n.\nb\r\n"),
        (b"a\n..\nb\r\n.\r\n", b"a\n..\nb\r\n"),
        (b"a\r.\r\n.\r\n", b"a\r.\r\n"),
        (b"\n.\r\n\r\n.\r\n", b"\n.\r\n\r\n"),
    ],
)
def test_dots(stream: bytes, content: bytes) -> None:
    """P11: only CRLF ends a line, so a dot after a bare LF is an ordinary one."""
    assert read([stream]) == ([content], b"")


@pytest.mark.parametrize("size", [1, 1 << 20, 5 << 20])
def test_a_line_of_any_length(size: int) -> None:
    """P11."""
    raw = b"." * size + b"\r\n"
    assert read(cut(stuffed(raw), list(range(0, size, 65536)))) == ([raw], b"")


def test_no_more_is_held_back_than_may_be_the_end() -> None:
    """A sink gets what came at once, in blocks of whatever size."""
    reader = BodyReader()
    assert reader.feed(b"abc", 0) == (b"abc", 3)
    assert reader.feed(b"d\r\n.", 0) == (b"d", 4)
    assert reader.feed(b"", 0) == (b"", 0)
    assert reader.feed(b"\r", 0) == (b"", 1)
    assert reader.feed(b"x", 0) == (b"\r\n\rx", 1)
    assert not reader.ended
