"""Pictures of a mail: decoded within limits, given room in the text; and the HTML as a page for the browser."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from gallery.mails import mails, png
from termmail.mime.browser_page import browser_page
from termmail.mime.pixels import MAX_PIXELS, decode_picture
from termmail.mime.render import render_message
from termmail.mime.worker import RenderWorker
from termmail.model.body import Pixels, Rendered, RenderFailed

MAILS = mails()
RED = png(8, 4, lambda x, y: (250, 0, 0))


def test_a_picture_is_decoded_to_the_size_that_is_asked_for() -> None:
    decoded = decode_picture(RED, 4, 6)
    assert decoded is not None
    assert (decoded.width, decoded.height, len(decoded.data)) == (4, 6, 4 * 6 * 3)
    assert decoded.data[:3] == bytes((250, 0, 0))


def bomb(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(10_000_000), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        RED[:40],
        bomb(60_000, 60_000),
        bomb(MAX_PIXELS, 2),
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\xff\xd8\xff\xc0\x00\x0b\x08\x00\x08\x00\x08\x01\x01\x11\x00",
    ],
)
def test_what_is_broken_or_too_large_is_no_picture(data: bytes) -> None:
    """P5: bombs are refused by the size that they tell, before anything is decoded."""
    assert decode_picture(data, 4, 4) is None


@settings(max_examples=60)
@given(st.binary(max_size=200), st.integers(0, 70))
def test_any_bytes_are_decoded_or_refused(noise: bytes, place: int) -> None:
    """P1, P15."""
    for start in (RED[:place], b"GIF89a\x04\x00\x04\x00", b"\xff\xd8\xff\xe0", b"RIFF\x00\x00\x00\x00WEBPVP8 ", b"BM"):
        decoded = decode_picture(start + noise, 4, 4)
        assert decoded is None or len(decoded.data) == 48


def test_a_picture_gets_rows_of_its_own_and_its_words_stand_for_it() -> None:
    rendered = render_message(MAILS["picture"], width=78, pictures=True)
    pier, chart = rendered.pictures
    assert (pier.part_path, pier.columns, pier.rows) == ("2", 53, 18)
    rows = [line for line in rendered.lines if line.picture == 0]
    assert [line.picture_row for line in rows] == list(range(18))
    assert rows[0].text == "[The pier at low tide]"
    assert chart.part_path == "3"
    # Without room for pictures only the words.
    assert [line.text for line in render_message(MAILS["picture"], width=78).lines][2] == "[The pier at low tide]"


def test_pictures_from_elsewhere_are_named_and_shown_when_they_were_loaded(tmp_path: Path) -> None:
    """T18: a dot that only counts readers is never among them."""
    rendered = render_message(MAILS["newsletter"], width=78, pictures=True)
    assert rendered.remote == tuple(
        f"https://img.leeward.example/{name}" for name in ("logo.png", "10.jpg", "20.jpg", "i1.png")
    )
    assert rendered.pictures == ()
    file = tmp_path / "logo"
    file.write_bytes(png(220, 60, lambda x, y: (9, 9, 9)))
    loaded = render_message(
        MAILS["newsletter"], width=78, pictures=True, loaded={"https://img.leeward.example/logo.png": str(file)}
    )
    assert [picture.url for picture in loaded.pictures] == ["https://img.leeward.example/logo.png"]
    assert len(loaded.remote) == 3
    assert "4 remote images were not loaded." in loaded.notes


def test_a_loaded_picture_that_vanished_is_only_missing_itself(tmp_path: Path) -> None:
    """P1: files in the temporary folder are removed by other programs too."""
    urls = [f"https://img.leeward.example/{name}" for name in ("logo.png", "10.jpg")]
    files = [tmp_path / "logo", tmp_path / "ten"]
    for file in files:
        file.write_bytes(png(220, 60, lambda x, y: (9, 9, 9)))
    loaded = dict(zip(urls, files, strict=True))
    files[0].unlink()
    with RenderWorker() as worker:
        rendered = worker.render(MAILS["newsletter"], 78, pictures=True, loaded=loaded)
        assert worker.picture(files[0], "", 10, 8) is None
    assert isinstance(rendered, Rendered)
    assert [picture.url for picture in rendered.pictures] == urls[1:]
    assert urls[0] in rendered.remote


def test_the_worker_decodes_and_answers_on_what_it_can_not() -> None:
    """P5: in the process that may be killed."""
    with RenderWorker() as worker:
        assert isinstance(worker.picture(MAILS["picture"], "2", 10, 8), Pixels)
        assert worker.picture(MAILS["picture"], "1", 10, 8) is None
        assert worker.picture(MAILS["picture"], "7.7", 10, 8) is None
        page = worker.browser_page(MAILS["picture"])
        assert isinstance(page, bytes)
        assert page.count(b'src="data:image/png;base64,') == 2
        assert isinstance(worker.browser_page(MAILS["list"]), RenderFailed)


HOSTILE = """<html><head><base href="https://evil.example/"><meta http-equiv="refresh" content="0;url=https://evil.example/">
<link rel="stylesheet" href="https://evil.example/c.css"><link rel="dns-prefetch" href="//evil.example">
<style>@import "https://evil.example/i.css"; p { background: url(https://evil.example/p.png); color: red }
x{}</style><script>evil()</script></head><body onload="evil()" background="https://evil.example/b.png">
<p style="color:red;background:ur\\6c(https://evil.example/u.png)" onclick=evil()>text</p>
<a href="javascript:evil()">a</a><a href="https://good.example/" ping="https://evil.example/ping">b</a><a href="#c">c</a>
<img src="https://evil.example/i.png" srcset="https://evil.example/2x.png 2x" onerror="evil()"><img src="//evil.example/j.png">
<img src="data:image/svg+xml;base64,PHN2Zz4="><picture><source srcset="https://evil.example/s.png"></picture>
<iframe src="https://evil.example/"></iframe><iframe srcdoc="<script>evil()</script>"></iframe><svg onload="evil()"><image href="https://evil.example/v"/></svg>
<form action="https://evil.example/post"><input name=pin><button formaction="https://evil.example/">go</button></form>
<video poster="https://evil.example/v.png" src="https://evil.example/v.mp4"></video><object data="https://evil.example/o"></object>
<noscript><img src="https://evil.example/n.png"></noscript><math><mtext></mtext></math></body></html>"""


def test_the_page_for_the_browser_neither_acts_nor_loads() -> None:
    """T18, D8, A3: by what is taken out, and once more by its policy."""
    page = browser_page(b"Subject: <b>x</b>\nContent-Type: text/html\n\n" + HOSTILE.encode())
    assert page is not None
    text = page.decode()
    assert "evil" not in text
    assert "<title>&lt;b&gt;x&lt;/b&gt;</title>" in text
    assert "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'" in text
    assert 'href="https://good.example/" rel="noopener noreferrer"' in text
    assert 'href="#c"' in text
    assert "color:red" in text
    assert not re.search(r"\son\w+=|<script|<iframe|<svg|<form\s|http-equiv=\"refresh", text)


@pytest.mark.parametrize("value", ["uexpression(rl(x)", "ur\\l(x)", "u<rl(x)", "uurl()rl(x)", "@im@import;port 'x'"])
def test_what_is_taken_out_of_a_style_leaves_no_other_that_loads(value: str) -> None:
    """T18, D8."""
    page = browser_page(
        b"Content-Type: text/html\r\n\r\n<html><head><style>p { background: %b }</style></head>" % value.encode()
        + b'<body><p style="background: %b">x</p></body></html>' % value.encode()
    )
    assert page is not None
    assert not re.search(rb"url\(|//|@import", page.partition(b"<title>")[2])


def test_pictures_from_elsewhere_are_in_the_page_only_where_they_may_be_loaded() -> None:
    """T18."""
    raw = MAILS["newsletter"]
    without, with_remote = browser_page(raw), browser_page(raw, with_remote=True)
    assert without is not None
    assert with_remote is not None
    assert b"img.leeward.example" not in without
    assert b'src="https://img.leeward.example/logo.png"' in with_remote
    assert b"img-src data: https: http:" in with_remote
    assert b'name="referrer" content="no-referrer"' in with_remote


@settings(max_examples=80)
@given(
    st.lists(
        st.sampled_from(
            [*re.findall(r"<[^>]*>|[^<]+", HOSTILE), "<!--", "-->", "<style>", "</style>", "</title>", '"']
        ),
        max_size=30,
    )
)
def test_any_html_becomes_a_page_that_does_not_act(pieces: list[str]) -> None:
    """P15, T18."""
    page = browser_page(b"Content-Type: text/html\n\n" + "".join(pieces).encode())
    assert page is not None
    tree = LexborHTMLParser(page.decode())
    assert not tree.css("script, iframe, object, svg, form[action], base, link, meta[http-equiv=refresh]")
    for element in tree.css("*"):
        for name, value in element.attributes.items():
            assert not name.startswith("on")
            assert name in ("alt", "title", "content") or "evil" not in (value or "")
