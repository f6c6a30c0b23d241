"""Secrets stay out of logs in every form (C4), server text is cleaned (T8), arguments are checked (T11)."""

from __future__ import annotations

import base64
import io
import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from termmail.model.errors import UnsafeArgument
from termmail.model.secret import Secret
from termmail.protocols.arguments import check_argument, check_atom
from termmail.protocols.redact import RedactingFilter, Redactor
from termmail.protocols.words import server_text


@given(secret=st.text(min_size=5, max_size=40), user=st.text(max_size=20), tail=st.text(max_size=10))
def test_no_form_of_a_secret_gets_through(secret: str, user: str, tail: str) -> None:
    redactor = Redactor(Secret(secret))
    raw = secret.encode()
    forms = [
        secret,
        repr(secret),
        json.dumps(secret),
        repr(raw),
        base64.b64encode(raw).decode(),
        base64.b64encode(f"\0{user}\0{secret}".encode()).decode(),
        base64.b64encode(f"{user}{secret}{tail}".encode()).decode(),
        '"' + secret.replace("\\", "\\\\").replace('"', '\\"') + '"',
    ]
    for form in forms:
        cleaned = redactor.clean(f"before {form} after")
        assert cleaned.startswith("before ")
        assert cleaned.endswith(" after")
        assert form not in cleaned
        assert "***" in cleaned


def test_the_middle_of_an_encoded_secret_is_gone() -> None:
    secret = "correct horse battery staple"
    blob = base64.b64encode(f"\0lisa\0{secret}".encode()).decode()
    cleaned = Redactor(Secret(secret)).clean(f"S: * BAD you sent {blob}")
    fragments = {blob[start : start + 8] for start in range(12, len(blob) - 12)}
    assert not any(fragment in cleaned for fragment in fragments)


def test_bearer_tokens_go_even_if_unknown() -> None:
    assert Redactor().clean("auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg") == "auth=Bearer ***"


def test_a_log_record_is_cleaned_whole() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RedactingFilter(Redactor(Secret("hunter2!"))))
    logger = logging.getLogger("test_redact")
    logger.addHandler(handler)
    logger.propagate = False
    try:
        try:
            raise ValueError("the password hunter2! is wrong")
        except ValueError:
            logger.exception("sent %s", base64.b64encode(b"\0me\0hunter2!").decode())
    finally:
        logger.removeHandler(handler)
    text = stream.getvalue()
    assert "ValueError" in text
    assert "hunter2" not in text
    assert base64.b64encode(b"\0me\0hunter2!").decode() not in text


def test_server_text_is_cleaned_marked_and_capped() -> None:
    """T8."""
    assert server_text(b"\x1b[31mclick \x07here\r\nnow\xe2\x80\xae") == "server says: “click here now”"
    assert server_text(b"\xff\xfe\0") == "server says: “ÿþ”"
    assert server_text(b"Authentication failed.") == "server says: “Authentication failed”"
    assert server_text(b" \x1b[0m ") == "the server gives no reason"
    assert len(server_text(b"x" * 10_000)) == len("server says: “”") + 500


@pytest.mark.parametrize("bad", ["a\rb", "a\nb", "a\0b", "\ud800", b"a\nb"])
def test_arguments_with_line_ends_are_refused(bad: str | bytes) -> None:
    """T11."""
    with pytest.raises(UnsafeArgument, match=r"^The password "):
        check_argument(bad, "the password")


def test_arguments_pass_as_utf8() -> None:
    assert check_argument("ü'\"\\", "x") == "ü'\"\\".encode()
    assert check_atom("$Forwarded", "x") == b"$Forwarded"
