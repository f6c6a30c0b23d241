"""Inputs like the seeds, changed here and there."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

_PIECES = (
    b"\x00", b"\r\n", b"\n", b"\r", b'"', b"<", b">", b"(", b")", b";", b":", b",", b"=?utf-8?B?", b"?=", b"=?x?Q?",
    b"=", b"\x1b[2J", b"\x9b", b"\xff\xfe", b"\xc3", b"\xe2\x80\xae", b"&#27;", b"&", b"--b", b"{99}\r\n",
    b"{9999999999}", b".\r\n", b"\r\n.\r\n", b"[", b"]", b"%1b", b"@", b"\\", b"xn--", b"<table>", b"<!--", b"</",
    b"Content-Type: multipart/mixed; boundary=b\r\n", b"99999999999999999999", b"-", b"\t", b" " * 40,
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, starts: Sequence[bytes]) -> bytes:
    """One of the starts with pieces put in, cut out, doubled, or swapped with those of another."""
    data = bytearray(draw(st.sampled_from(starts)) if starts else b"")
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, len(data)))
        end = min(len(data), place + draw(st.sampled_from((1, 2, 8, 64))))
        what = draw(st.integers(0, 5))
        if what == 0:
            data[place:place] = draw(st.sampled_from(_PIECES))
        elif what == 1:
            del data[place:end]
        elif what == 2:
            data[place:place] = bytes(data[place:end]) * draw(st.sampled_from((1, 2, 30)))
        elif what == 3 and place < len(data):
            data[place] = draw(st.integers(0, 255))
        elif what == 4:
            other = draw(st.sampled_from(starts))
            begin = draw(st.integers(0, len(other)))
            data[place:end] = other[begin : begin + 64]
        else:
            data[place:place] = draw(st.binary(max_size=8))
    return bytes(data[:16384])
