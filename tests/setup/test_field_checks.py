"""What is typed into an account's fields, wrong in every usual way: a sentence, what was meant, and nothing for what is right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from termmail.mime.safe_text import safe_text
from termmail.model.account import Security
from termmail.setup import field_checks
from termmail.setup.field_checks import Remark, Weight


@pytest.mark.parametrize(
    "typed",
    [
        "lisa@example.org",
        "  lisa@example.org ",
        "lisa+lists@mail.example.co.uk",
        "o'brien@example.org",
        "lisa@bücher.example",
        "lisa@gmail.com",
        "lisa@mail.de",
        "lisa@localhost",
        "l@web.de",
    ],
)
def test_a_right_address(typed: str) -> None:
    assert field_checks.check_address(typed) is None


@pytest.mark.parametrize(
    ("typed", "words", "meant"),
    [
        ("", "Type your e-mail address", ""),
        ("   ", "Type your e-mail address", ""),
        ("lisa.example.org", "has an @", ""),
        ("lisa", "has an @", ""),
        ("@example.org", "before the @ is missing", ""),
        ("lisa@", "after the @ is missing", ""),
        ("lisa@home@example.org", "has one @", ""),
        ("lisa @example.org", "a space", "lisa@example.org"),
        ("lisa@example .org", "a space", "lisa@example.org"),
        ("lisa@example,org", "a comma", "lisa@example.org"),
        ("lisa@example.org,", "a comma", "lisa@example.org"),
        ("lisa@example.org.", "a dot too many at the end", "lisa@example.org"),
        ("lisa@example..org", "a dot too many", "lisa@example.org"),
        (".lisa@example.org", "a dot too many", "lisa@example.org"),
        ("lisa＠example.org", "no address has", "lisa@example.org"),
        ("mailto:lisa@example.org", "more than an address", "lisa@example.org"),
        ("Lisa Example <lisa@example.org>", "more than an address", "lisa@example.org"),
        ("lisa at example.org", "a space", "lisa@example.org"),
        ("li(sa@example.org", 'can\'t have "("', ""),
        ("lisa@exa_mple!.org", "can't be the name of a domain", ""),
        ("lisa@-example.org", "can't be the name of a domain", ""),
        ("lisa@gmail", "end of the domain is missing", "lisa@gmail.com"),
        ("l" * 65 + "@example.org", "too long", ""),
        ("lisa@" + "e" * 250 + ".org", "too long", ""),
        ("lisa@ex\u202eample\x1b[31m", "can't be the name of a domain", ""),
    ],
)
def test_a_wrong_address(typed: str, words: str, meant: str) -> None:
    """One can't go on with it."""
    remark = field_checks.check_address(typed)
    assert remark is not None
    assert remark.weight is Weight.WRONG
    assert words in remark.sentence
    assert remark.meant == meant
    assert "\x1b" not in remark.sentence
    assert "\u202e" not in remark.sentence


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("lisa@gmial.com", "lisa@gmail.com"),
        ("lisa@gmai.com", "lisa@gmail.com"),
        ("lisa@gmaill.com", "lisa@gmail.com"),
        ("lisa@gmail.con", "lisa@gmail.com"),
        ("lisa@hotmial.com", "lisa@hotmail.com"),
        ("lisa@outlok.com", "lisa@outlook.com"),
        ("lisa@yaho.com", "lisa@yahoo.com"),
        ("lisa@example.ogr", "lisa@example.org"),
        ("lisa@ourtwon.example", "lisa@ourtown.example"),
        ("lisa@intranet", ""),
        ("müller@example.org", ""),
    ],
)
def test_a_doubtful_address(typed: str, meant: str) -> None:
    """One can go on with it: it may be right."""
    remark = field_checks.check_address(typed, also_known=("ourtown.example",))
    assert remark is not None
    assert remark.weight is Weight.DOUBT
    assert remark.meant == meant


def test_what_was_meant_is_right() -> None:
    """Nobody is led from one mistake into the next."""
    for typed in ("Lisa <lisa @gmial,com>", "lisa@ gmial .com", " mailto:lisa@gmail.com?subject=x"):
        remark = field_checks.check_address(typed)
        while remark is not None:
            assert remark.meant
            assert remark.meant != typed
            typed = remark.meant
            remark = field_checks.check_address(typed)
        assert typed == "lisa@gmail.com"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("imap.example.org:993", "imap.example.org"),
        ("imaps://imap.example.org/", "imap.example.org"),
        ("imap. example.org", "imap.example.org"),
        ("imap,example,org", "imap.example.org"),
        ("https://mail.example.org/login", "mail.example.org"),
        ("lisa@example.org", "example.org"),
        ("[::1]:993", None),
        ("im ap!", None),
        ("", None),
    ],
)
def test_a_wrong_host(typed: str, meant: str | None) -> None:
    remark = field_checks.check_host(typed)
    assert remark is not None
    assert remark.weight is Weight.WRONG
    if meant is not None:
        assert remark.meant == meant


@pytest.mark.parametrize(
    "typed", ["imap.example.org", "192.0.2.7", "2001:db8::7", "::1", "localhost", "bücher.example"]
)
def test_a_right_host(typed: str) -> None:
    assert field_checks.check_host(typed) is None


@pytest.mark.parametrize(
    ("typed", "service", "security", "words", "meant"),
    [
        ("", "imap", Security.TLS, "1 to 65535", "993"),
        ("x", "imap", Security.TLS, "1 to 65535", "993"),
        ("0", "smtp", Security.TLS, "1 to 65535", "465"),
        ("65536", "smtp", Security.STARTTLS, "1 to 65535", "587"),
        ("9" * 5000, "imap", Security.TLS, "1 to 65535", "993"),
        ("９９３", "imap", Security.TLS, "1 to 65535", "993"),
        ("995", "imap", Security.TLS, "POP3's with TLS", "993"),
        ("993", "pop3", Security.TLS, "IMAP's with TLS", "995"),
        ("587", "imap", Security.TLS, "for sending", "993"),
        ("143", "imap", Security.TLS, "without TLS", "993"),
        ("993", "imap", Security.STARTTLS, "with TLS", "143"),
        ("587", "smtp", Security.TLS, "STARTTLS", "465"),
        ("25", "smtp", Security.STARTTLS, "among each other", "587"),
        ("443", "imap", Security.TLS, "web pages", "993"),
    ],
)
def test_a_port_of_another_service(typed: str, service: str, security: Security, words: str, meant: str) -> None:
    remark = field_checks.check_port(typed, service, security)
    assert remark is not None
    assert words in remark.sentence
    assert remark.meant == meant


@pytest.mark.parametrize(
    ("typed", "service", "security"),
    [
        ("993", "imap", Security.TLS),
        ("143", "imap", Security.STARTTLS),
        ("20993", "imap", Security.TLS),
        ("587", "smtp", Security.STARTTLS),
    ],
)
def test_a_right_port(typed: str, service: str, security: Security) -> None:
    assert field_checks.check_port(typed, service, security) is None


def test_the_other_fields() -> None:
    """Each has its own words."""
    wrong = Weight.WRONG

    def weight(remark: Remark | None) -> Weight | None:
        return None if remark is None else remark.weight

    assert weight(field_checks.check_password("")) is wrong
    assert weight(field_checks.check_password("a\nb")) is wrong
    assert weight(field_checks.check_password("hunter2 ")) is Weight.DOUBT
    assert weight(field_checks.check_password("pässword")) is Weight.DOUBT
    assert field_checks.check_password("hunter2") is None
    assert weight(field_checks.check_command("  ")) is wrong
    assert field_checks.check_command("pass show mail") is None
    assert weight(field_checks.check_user("")) is wrong
    assert weight(field_checks.check_user("lisa example")) is Weight.DOUBT
    assert weight(field_checks.check_days("0")) is weight(field_checks.check_days("thirty")) is wrong
    assert weight(field_checks.check_days("9" * 5000)) is wrong
    assert field_checks.check_days("30") is None
    assert weight(field_checks.check_full_name("")) is Weight.NOTE
    assert weight(field_checks.check_full_name("lisa@example.org")) is Weight.DOUBT
    assert field_checks.check_full_name("Lisa Müller") is None
    assert weight(field_checks.check_security(Security.NONE, "mail.example.org")) is wrong
    assert weight(field_checks.check_security(Security.NONE, "127.0.0.1")) is Weight.DOUBT
    remark = field_checks.check_account_name("my mail", ())
    assert remark == Remark(wrong, remark.sentence, "my-mail") if remark else False
    taken = field_checks.check_account_name("Work", ("work", "work-2"))
    assert taken is not None
    assert taken.meant == "Work-3"


@given(st.text(max_size=80) | st.just("~nobody.is.called.so/ca.pem"))
def test_nothing_that_is_typed_raises(text: str) -> None:
    """P15: whatever a keyboard or a clipboard holds."""
    for check in (
        field_checks.check_address,
        field_checks.check_full_name,
        field_checks.check_account_name,
        field_checks.check_host,
        field_checks.check_user,
        field_checks.check_password,
        field_checks.check_command,
        field_checks.check_days,
        field_checks.check_file,
    ):
        remark = check(text)
        assert remark is None or remark.sentence == safe_text(remark.sentence, one_line=True)
    field_checks.check_port(text, "imap", Security.TLS)
