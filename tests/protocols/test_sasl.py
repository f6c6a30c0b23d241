"""SASL mechanisms (T12)."""

from __future__ import annotations

import base64

import pytest

from termmail.model.secret import Secret
from termmail.protocols import sasl
from termmail.protocols.mechanism import BadChallenge

PASSWORD = Secret("pencil")
NONCE = "rOprNGfwEbeRWgbNEkqO"
FIRST = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"


def scram() -> sasl.ScramSha256:
    return sasl.ScramSha256("user", PASSWORD, NONCE)


def test_scram_as_in_the_rfc() -> None:
    """RFC 7677 §3."""
    mechanism = scram()
    assert mechanism.initial == b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    assert [mechanism.proved, mechanism.finished] == [False, False]
    assert mechanism.respond(FIRST) == (
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )
    assert [mechanism.proved, mechanism.finished] == [True, False]
    assert mechanism.respond(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=") == b""
    assert [mechanism.proved, mechanism.finished] == [True, True]


@pytest.mark.parametrize(
    "challenge",
    [
        b"",
        b"r=short,s=W22Z,i=4096",
        b"r=rOprNGfwEbeRWgbNEkqO,s=W22Z,i=4096",
        FIRST.replace(b"i=4096", b"i=600001"),
        FIRST.replace(b"i=4096", b"i=" + b"9" * 5000),
        FIRST.replace(b"i=4096", b"i=0"),
        FIRST.replace(b"i=4096", b"i=x"),
        FIRST.replace(b",i=4096", b""),
        FIRST.replace(b"s=W22Z", b"s=\xff"),
        FIRST.replace(b"s=W22ZaJ0SNY7soEsUEjb6gQ==", b"s="),
        b"m=ext," + FIRST,
        FIRST + b",i=1",
    ],
)
def test_scram_refuses_odd_challenges(challenge: bytes) -> None:
    """At most 600,000 iterations, and our nonce first."""
    with pytest.raises(BadChallenge):
        scram().respond(challenge)


@pytest.mark.parametrize("final", [b"v=", b"", b"v=!", b"e=invalid-proof", b"v=" + base64.b64encode(b"x" * 32)])
def test_scram_checks_the_server(final: bytes) -> None:
    mechanism = scram()
    mechanism.respond(FIRST)
    with pytest.raises(BadChallenge):
        mechanism.respond(final)
    assert not mechanism.finished


def test_names_are_escaped_and_prepared() -> None:
    """RFC 5802 §5.1 and RFC 4013."""
    assert sasl.ScramSha256("a=b,\u00aa\u00ad", PASSWORD, "n").initial == b"n,,n=a=3Db=2Ca,r=n"


def test_cram_md5_as_in_the_rfc() -> None:
    """RFC 2195 §2."""
    mechanism = sasl.CramMd5("tim", Secret("tanstaaftanstaaf"))
    answer = mechanism.respond(b"<1896.697170952@postoffice.reston.mci.net>")
    assert answer == b"tim b913a602c7eda7a495b4e6e7334d3890"
    assert mechanism.finished


def test_plain_and_login() -> None:
    assert sasl.Plain("ü", Secret("ö")).initial == "\0ü\0ö".encode()
    login = sasl.Login("user", PASSWORD)
    assert login.respond(b"Username:") == b"user"
    assert login.respond(b"whatever") == b"pencil"
    assert login.finished
    with pytest.raises(BadChallenge):
        login.respond(b"again")


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ({"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"}, [sasl.ScramSha256, sasl.Plain, sasl.Login]),
        ({"PLAIN", "CRAM-MD5"}, [sasl.Plain]),
        ({"CRAM-MD5"}, [sasl.CramMd5]),
        ({"GSSAPI"}, []),
        (set(), []),
    ],
)
def test_the_best_is_chosen(offered: set[str], chosen: list[type]) -> None:
    """CRAM-MD5 only where nothing better is there, never after something better."""
    assert sasl.choose(offered, PASSWORD) == chosen
