"""Messages as the pane shows them: which part, HTML made safe, budgets."""

from __future__ import annotations

import datetime
import socket
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from termmail.mime.html_budget import too_complex
from termmail.mime.render import Preference, render_message
from termmail.mime.width import cell_width
from termmail.model.body import Rendered, Style


def html(markup: str, width: int = 60) -> Rendered:
    return render_message(
        b"Content-Type: text/html; charset=utf-8\n\n" + markup.encode("utf-8", "surrogatepass"), width=width
    )


def texts(rendered: Rendered) -> list[str]:
    return [line.text for line in rendered.lines]


def styled(rendered: Rendered, style: Style) -> list[str]:
    return [span.text for line in rendered.lines for span in line.spans if span.style is style]


def alternative(text: str, markup: str) -> bytes:
    return (
        "Content-Type: multipart/alternative; boundary=b\n\n"
        f"--b\nContent-Type: text/plain\n\n{text}\n--b\nContent-Type: text/html\n\n{markup}\n--b--\n"
    ).encode()


def test_structure_of_html() -> None:
    rendered = html(
        "<h1>Title</h1><p>One <b>bold</b>, <i>em</i> and <code>a_b*c</code>.</p><ul><li>a<li>b</ul><ol><li>x</ol>"
        "<blockquote>quoted<blockquote>deeper</blockquote></blockquote><pre>if x:\n    y &lt; z \\n</pre><div>d1</div><div>d2</div>"
        "<table><tr><td>c1</td><td>c2</td></tr><tr><td>c3</td></tr></table>1. no list - \\* # [x](y)"
    )
    assert texts(rendered) == [
        "Title",
        "",
        "One bold, em and a_b*c.",
        "",
        "  • a",
        "  • b",
        "",
        "  1. x",
        "",
        "> quoted",
        ">",
        "> > deeper",
        "",
        "    if x:",
        "        y < z \\n",
        "",
        "d1",
        "d2",
        "",
        "c1  c2",
        "c3",
        "",
        "1. no list - \\* # [x](y)",
    ]
    assert styled(rendered, Style.HEADING) == ["Title"]
    assert styled(rendered, Style.STRONG) == ["bold"]
    assert styled(rendered, Style.EMPHASIS) == ["em"]
    assert "a_b*c" in styled(rendered, Style.CODE)
    assert rendered.source == "html"


def test_tabs_in_preformatted_html_become_spaces() -> None:
    """D11."""
    assert texts(html("<pre>a\tb\n\tc</pre>")) == ["    a       b", "            c"]


def test_html_that_could_act_does_not_come_through() -> None:
    """D7, T18: scripts, styles, titles, comments, forms."""
    rendered = html(
        "<html><head><title>title</title><style>p{color:red}</style></head><body onload=x><script>evil()</script><!-- comment -->"
        "<p onclick=x>shown</p><iframe src=http://x>frame</iframe><object>o</object><select><option>opt</select><svg><text>svg</text></svg>"
        "<template>tmpl</template><noscript>no script</noscript></body></html>"
    )
    assert [text for text in texts(rendered) if text] == ["shown", "no script"]


@pytest.mark.parametrize(
    "markup",
    [
        '<div style="display:none">HIDDEN</div>',
        '<div style="DISPLAY : NONE !important">HIDDEN <b>x</b></div>',
        '<span style="font-size:0">HIDDEN</span>',
        '<span style="font-size: 0px; color: red">HIDDEN</span>',
        '<p style="visibility:hidden">HIDDEN</p>',
        '<p style="opacity:0">HIDDEN</p>',
        '<div style="max-height:0;overflow:hidden">HIDDEN</div>',
        "<p hidden>HIDDEN</p>",
        "<style>.pre, .header { display: none }</style><p class='x header'>HIDDEN</p>",
        "<style>@media print{.y{color:red}} .header{display:none}</style><p class=header>HIDDEN</p>",
    ],
)
def test_hidden_text_is_told_not_shown(markup: str) -> None:
    """D7."""
    rendered = html(f"<p>shown</p>{markup}")
    assert texts(rendered) == ["shown"]
    assert len(rendered.notes) == 1
    assert rendered.notes[0].startswith("A hidden part is not shown: “HIDDEN")


def test_what_only_seems_hidden_is_shown() -> None:
    """D7: rules for other screens, sizes that are not nought, hidden elements without text."""
    rendered = html(
        "<style>@media (max-width:600px){.m{display:none}}</style><p class=m>a</p><p style='font-size:0.8em'>b</p>"
        "<p style='opacity:0.5'>c</p><div style='display:none'> &nbsp;\u200c</div>"
    )
    assert [text for text in texts(rendered) if text] == ["a", "b", "c"]
    assert rendered.notes == ()


@pytest.mark.parametrize(
    ("markup", "count"),
    [
        ('<p style="color:#fff">x</p><font color="white">y</font>', 2),
        ('<table bgcolor="#000000"><tr><td style="color: #ffffff">x</td></tr></table>', 0),
        ('<div style="background:#222"><p style="color:rgb(34,34,34)">x</p></div>', 1),
        ('<div style="background-image:url(x)"><p style="color:#fff">x</p></div>', 0),
        ("<style>td{background:#000}</style><p style='color:#fff'>x</p>", 0),
    ],
)
def test_text_in_the_colour_of_its_background_is_counted(markup: str, count: int) -> None:
    """D7: shown, and told."""
    rendered = html(markup)
    assert "x" in " ".join(texts(rendered))
    assert any("colour of the background" in note for note in rendered.notes) is (count > 0)
    assert not count or rendered.notes[0].startswith(str(count))


def test_links_show_where_they_lead() -> None:
    """D8."""
    rendered = html(
        '<a href="https://evil.example/x">bank.example</a> <a href="https://shop.example/">Shop</a> '
        '<a href="https://www.same.example/">same.example</a> <a href="https://img.example/"><img src="https://t.example/p.png"></a>'
    )
    assert (
        " ".join(texts(rendered))
        == "bank.example [1→evil.example] Shop [2→shop.example] same.example [3] [picture] [4→img.example]"
    )
    assert rendered.links == (
        "https://evil.example/x",
        "https://shop.example/",
        "https://www.same.example/",
        "https://img.example/",
    )
    assert "A link that says bank.example leads to evil.example." in rendered.notes
    assert styled(rendered, Style.LINK)[0] == "bank.example"


def test_international_hosts_are_shown_in_ascii_too() -> None:
    """D6."""
    assert texts(html('<a href="https://bücher.example/">x</a>')) == ["x [1→bücher.example = xn--bcher-kva.example]"]


@pytest.mark.parametrize(
    "href",
    [
        "javascript:x()",
        "JaVaScRiPt:x()",
        " java\tscript:x()",
        "data:text/html,x",
        "file:///etc/passwd",
        "http://good.example@evil.example/",
    ],
)
def test_unsafe_links_are_refused(href: str) -> None:
    """D8."""
    rendered = html(f'<a href="{href}">click</a>')
    assert rendered.links == ()
    assert texts(rendered) == ["click [link refused]"]
    assert rendered.notes == ("1 unsafe link was not made a link.",)


def test_pictures_are_told_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """T18, D7: no connection, tracking pixels without a trace but in the count."""

    def refuse(*_: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    rendered = html(
        '<img src="https://t.example/1.gif" width=1 height=1 alt="pixel"><img src="//t.example/a.png" alt="A picture">'
        '<img src="cid:x" alt="inside"><img src="https://t.example/b.png"><link rel=stylesheet href="https://t.example/c.css">'
    )
    assert " ".join(texts(rendered)) == "[A picture][inside]"
    assert rendered.notes == ("3 remote images were not loaded.",)


@pytest.mark.parametrize(
    "character", ["\x1b]0;x\x07", "\x9b31m", "\x00", "\u202e", "\ufdd0", "\ufdde", "&#27;[1m", "&#x9b;", "\ud800"]
)
def test_controls_in_html_do_not_come_through(character: str) -> None:
    """D1: raw, as entities, in attributes."""
    rendered = html(
        f'<p>a{character}b</p><img alt="c{character}d"><a href="https://e.example/{character}">e{character}</a>'
    )
    for text in (*texts(rendered), *rendered.links, *rendered.notes):
        assert not [c for c in text if unicodedata.category(c) in ("Cc", "Cs") or "\ufdd0" <= c <= "\ufdef"]
        assert text.count("\u202e") == text.count("\u202c")


def test_which_alternative_is_shown() -> None:
    assert texts(render_message(alternative("plain", "<p>rich</p>"), width=60)) == ["plain"]
    assert texts(render_message(alternative("plain", "<p>rich</p>"), width=60, prefer="html")) == ["rich"]
    assert texts(render_message(alternative("", "<p>rich</p>"), width=60)) == ["rich"]
    calendar = alternative("plain", "x").replace(b"text/html", b"text/calendar")
    assert texts(render_message(calendar, width=60)) == ["plain"]
    assert render_message(b"Content-Type: application/pdf\n\nx", width=60).source == "none"


def test_all_texts_to_be_read_are_shown() -> None:
    """P1: mixed parts, inline files with their names, forwarded messages; attachments are listed."""
    raw = (
        b"Content-Type: multipart/mixed; boundary=b\n\n"
        b"--b\n\nfirst\n"
        b'--b\nContent-Type: text/x-diff\nContent-Disposition: inline; filename="a\x07.patch"\n\n+x\n'
        b"--b\nContent-Type: text/plain\nContent-Disposition: attachment; filename=n.txt\n\nnot shown\n"
        b"--b\nContent-Type: message/rfc822\n\nFrom: Lisa <lisa@example.org>\nSubject: inner\n"
        b"Date: Tue, 3 Nov 2026 14:05:06 +0100\n\ninside\n"
        b"--b\nContent-Type: application/pgp-signature\n\nx\n"
        b"--b--\n"
    )
    rendered = render_message(raw, width=60)
    sent = datetime.datetime.fromisoformat("2026-11-03T14:05:06+01:00").astimezone()
    assert texts(rendered) == [
        "first",
        "",
        "[a.patch]",
        "+x",
        "",
        "Forwarded message",
        "From: Lisa <lisa@example.org>",
        f"Date: {sent:%Y-%m-%d %H:%M}",
        "Subject: inner",
        "",
        "inside",
    ]
    assert [part.filename for part in rendered.attachments] == ["n.txt"]
    assert rendered.notes == ("The signature of the message was not checked.",)


def test_encrypted_messages_say_so() -> None:
    raw = b"Content-Type: multipart/encrypted; boundary=b\n\n--b\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n--b--\n"
    assert "encrypted" in render_message(raw, width=60).notes[0]
    assert "S/MIME" in render_message(b"Content-Type: application/pkcs7-mime\n\nx", width=60).notes[0]


def test_charsets_and_flowed_are_heeded() -> None:
    """P7."""
    raw = b"Content-Type: text/plain; charset=koi8-r; format=flowed\n\n\xf0\xd2\xc9 \n\xd7\xc5\xd4\n"
    assert texts(render_message(raw, width=60)) == ["При вет"]


FLOODS = [
    *(
        "<table>",
        "<div>",
        "<ul><li>",
        "<ol>x",
        "<a href=http://x.y>b</a>",
        "<b>",
        "<!--",
        "</",
        "<![CDATA[",
        "&",
        "&amp;",
        "<pre>",
    ),
    *(
        "<pre>x</pre>",
        "<",
        "<blockquote>",
        "<blockquote>x</blockquote>",
        "x ",
        "[](",
        "\\",
        "<br>",
        "<img src=http://x alt=y>",
    ),
    *(
        "<style>.a{display:none}</style>",
        "<style>.a{",
        '<p style="',
        "<div><p>x</p></div>",
        "@",
        "a@",
        "www.",
        "a.b@c.d ",
        "<svg>",
    ),
    *(
        "<span hidden>x</span>",
        "日本",
        "a\u0301",
        "\u202e",
        "<b></p>",
        "<i>a",
        "@media{",
        "<div><table></div></table>",
        "* ",
        "> ",
    ),
]


@pytest.mark.parametrize("piece", FLOODS)
def test_floods_are_laid_out_within_their_budgets(piece: str) -> None:
    """P5, P6: a quarter of a megabyte of each. Many hang or blow up a library below: the test's time limit would strike."""
    flood = (piece * (250_000 // len(piece))).encode()
    for kind in (b"html", b"plain"):
        rendered = render_message(b"Content-Type: text/" + kind + b"; charset=utf-8\n\n" + flood, width=80)
        assert len(rendered.lines) <= 50_000
        assert sum(len(line.text) for line in rendered.lines) <= 4 * 1024 * 1024


def test_html_with_growing_formatting_is_not_parsed() -> None:
    """P6: fifty thousand open elements are carried into each new paragraph by the parser."""
    markup = "".join(f"<p><b id={number}></p>x" for number in range(20_000))
    assert too_complex(markup)
    rendered = html(markup)
    assert rendered.notes == ("The HTML is too large or too nested: only its text is shown.",)
    assert "x" in texts(rendered)


def test_real_layouts_are_not_too_complex() -> None:
    """P6."""
    assert not too_complex("<table><tr><td><p>x<p>y<li>z<br><img></td></tr></table>" * 1000)
    assert not too_complex("<div>" * 100 + "x" + "</div>" * 100)
    assert too_complex("<div>" * 500)
    assert too_complex("<div><table></div></table>" * 500)
    assert too_complex("<br>" * 100_000)
    assert too_complex("x" * 1_100_000)


def test_html_above_its_budget_is_shown_as_text() -> None:
    """P6."""
    rendered = html("<p>first</p><script>no</script>" + "<p>more</p>" * 120_000)
    assert texts(rendered)[0] == "first"
    assert "no" not in texts(rendered)
    assert "too large" in rendered.notes[0]


HTML_PIECES = (
    *("<p>", "</p>", "<b>", "</b>", "<a href='https://x.example/'>", "</a>", "<div style='display:none'>", "</div>"),
    *(
        "<pre>",
        "</pre>",
        "<ul><li>",
        "</ul>",
        "<blockquote>",
        "</blockquote>",
        "<td>",
        "<table>",
        "<br>",
        "<img src=x alt=y>",
    ),
    *("text", "&lt;", "&#27;", "\\", "*", "#", ">", "\x1b[1m", "\u202e", "\ufdd0", "\ufdd1", "12", "\n", " "),
)
HTML = st.lists(st.sampled_from(HTML_PIECES), max_size=40).map("".join)


@settings(max_examples=150)
@given(HTML | st.text(max_size=100), st.integers(1, 100))
def test_any_html_is_laid_out(markup: str, width: int) -> None:
    """P1, P15, D1, D11."""
    rendered = html(markup, width)
    for line in rendered.lines:
        assert cell_width(line.text) <= max(width, 10)
        assert not [c for c in line.text if unicodedata.category(c) in ("Cc", "Cs") or "\ufdd0" <= c <= "\ufdef"]
    for line in rendered.lines:
        for span in line.spans:
            assert span.link >= 0 if span.style is Style.LINK else span.link < 0 or span.style is Style.TARGET
            assert span.link < len(rendered.links)


PREFERENCES: list[Preference] = ["text", "html"]


@settings(max_examples=100)
@given(st.binary(max_size=400), st.sampled_from(PREFERENCES), st.booleans())
def test_any_bytes_are_laid_out(raw: bytes, prefer: Preference, stripped: bool) -> None:
    """P1, P15."""
    for line in render_message(raw, width=40, prefer=prefer, stripped=stripped).lines:
        assert cell_width(line.text) <= 40


def test_pieces_of_a_message_are_told() -> None:
    """P1: message/partial is not put together."""
    raw = b'Content-Type: message/partial; id="a@b"; number=2; total=5\n\nSubject: x\n\nhello\n'
    rendered = render_message(raw, width=80)
    assert rendered.notes[0].startswith("This is part 2 of 5 of a message that was sent in pieces")
    assert [part.part_path for part in rendered.attachments] == ["1"]


def test_what_lies_elsewhere_is_told_and_not_fetched() -> None:
    """A7: message/external-body, also as an alternative."""
    raw = (
        b"Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: message/external-body; access-type=anon-ftp;"
        b' site="ftp.example.org"; directory="pub"; name="a\x1b[2J.txt"\n\nContent-Type: text/plain\n\n--b--\n'
    )
    rendered = render_message(raw, width=80)
    assert rendered.notes == (
        "A part of this message lies elsewhere and was not fetched: ftp.example.org, pub, a.txt (by anon-ftp).",
    )
    assert not rendered.attachments


def signed(parameters: bytes, subject: bytes) -> bytes:
    return (
        b"From: Bob <bob@example.org>\nSubject: Lunch\nContent-Type: multipart/signed; boundary=b\n\n--b\n"
        b"Content-Type: text/plain" + parameters + b"\nSubject: " + subject + b"\n\nhello\n--b\n"
        b"Content-Type: application/pgp-signature\n\nx\n--b--\n"
    )


def test_protected_fields_that_differ_are_told_as_a_claim() -> None:
    """D4: RFC 9788; never in place of what the header says, and never as verified."""
    claim = "The signed part names another subject: \u201cDinner\u201d. The signature was not checked."
    assert claim in render_message(signed(b'; protected-headers="v1"', b"Dinner"), width=80).notes
    assert claim in render_message(signed(b'; hp="clear"', b"Dinner"), width=80).notes
    for raw in (signed(b'; hp="clear"', b"Lunch"), signed(b"", b"Dinner")):
        assert render_message(raw, width=80).notes == ("The signature of the message was not checked.",)


def test_a_digest_numbers_its_messages() -> None:
    """RFC 2046 \u00a75.1.5: parts are messages where nothing else is said."""
    raw = b"Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: one\n\na\n--b\n\nSubject: two\n\nb\n--b--\n"
    text = [line.text for line in render_message(raw, width=80).lines]
    assert text == ["Message 1 of 2", "Subject: one", "", "a", "", "Message 2 of 2", "Subject: two", "", "b"]
