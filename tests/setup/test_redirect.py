"""The page on this computer where a browser comes back to after a sign-in."""

from __future__ import annotations

import contextlib
import socket
import threading
import urllib.parse
from collections.abc import Iterator

import httpx
import pytest

from termmail.model.errors import Cancelled, SignInRefused
from termmail.setup.redirect import RedirectListener


@pytest.fixture
def listener() -> Iterator[RedirectListener]:
    opened = RedirectListener("127.0.0.1", "the-state")
    yield opened
    opened.close()


def test_listens_on_loopback_alone_and_answers_one_visit(listener: RedirectListener) -> None:
    """C5: 127.0.0.1, a plain page, and then nobody is there."""
    address = urllib.parse.urlsplit(listener.redirect_uri)
    assert address.hostname == "127.0.0.1"
    answer = httpx.get(listener.redirect_uri, params={"code": "abc", "state": "the-state", "iss": "https://a.example"})
    assert answer.status_code == 200
    assert "close this page" in answer.text
    assert "abc" not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert listener.wait(5, threading.Event()) == {"code": "abc", "state": "the-state", "iss": "https://a.example"}
    port = address.port
    assert port is not None
    for _ in range(50):
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)) as visitor:
            visitor.settimeout(0.2)
            with contextlib.suppress(TimeoutError, ConnectionResetError):
                assert visitor.recv(1) == b""
            continue
        break
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


@pytest.mark.parametrize(
    "parameters", [{}, {"code": "abc"}, {"code": "abc", "state": "another"}, {"state": "the-state"}]
)
def test_visit_without_the_state_does_not_count(listener: RedirectListener, parameters: dict[str, str]) -> None:
    """C5: another page's link to here ends nothing; the wait goes on and the right visit counts."""
    assert httpx.get(listener.redirect_uri, params=parameters).status_code == 404
    assert httpx.post(listener.redirect_uri, params={"code": "abc", "state": "the-state"}).status_code == 405
    assert httpx.get(listener.redirect_uri, params={"error": "access_denied", "state": "the-state"}).status_code == 200
    assert listener.wait(5, threading.Event())["error"] == "access_denied"


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_visit_to_no_address_is_refused(listener: RedirectListener) -> None:
    """Not with a traceback on the terminal, where somebody else's page can ask for it."""
    port = urllib.parse.urlsplit(listener.redirect_uri).port
    assert port is not None
    with socket.create_connection(("127.0.0.1", port)) as visitor:
        visitor.sendall(b"GET //[ HTTP/1.1\r\n\r\n")
        assert visitor.recv(4096).startswith(b"HTTP/1.1 404 ")


def test_connection_that_says_nothing_is_in_nobodys_way(listener: RedirectListener) -> None:
    port = urllib.parse.urlsplit(listener.redirect_uri).port
    assert port is not None
    with socket.create_connection(("127.0.0.1", port)):
        assert httpx.get(listener.redirect_uri, params={"code": "abc", "state": "the-state"}).status_code == 200


def test_wait_ends_when_cancelled_and_in_time(listener: RedirectListener) -> None:
    cancelled = threading.Event()
    threading.Timer(0.2, cancelled.set).start()
    with pytest.raises(Cancelled):
        listener.wait(600, cancelled)
    with pytest.raises(SignInRefused, match="Begin again"):
        listener.wait(0.1, threading.Event())
