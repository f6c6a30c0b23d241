"""Unsubscribing by one POST (RFC 8058): exactly that request, to nobody else, and what came of it in words."""

from __future__ import annotations

import contextlib
import http.server
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.net_proxies import tinyproxy
from servers.tls import Authority, Certificate
from termmail.model.errors import (
    ConfigError,
    ConnectionLost,
    InsecureConnection,
    ServerRefused,
    TermmailError,
    UnsafeArgument,
)
from termmail.protocols.one_click import post_one_click


class _Site:
    """An https server of a list; `requests` are the requests as (line, headers, body)."""

    def __init__(self, certificate: Certificate, status: int, headers: dict[str, str]) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                site.requests.append((self.requestline, {k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST  # noqa: N815

            def log_message(self, *words: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.socket = certificate.server_context().wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"https://localhost:{self._server.server_address[1]}/u?list=1&who=lisa"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextlib.contextmanager
def site(certificate: Certificate, status: int = 200, **headers: str) -> Iterator[_Site]:
    running = _Site(certificate, status, headers)
    running.start()
    try:
        yield running
    finally:
        running.stop()


@contextlib.contextmanager
def endless(certificate: Certificate) -> Iterator[str]:
    """The URL of a server that goes on sending header fields for as long as somebody listens."""
    stopping = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with (
                contextlib.suppress(OSError),
                certificate.server_context().wrap_socket(self.request, server_side=True) as secured,
            ):
                secured.sendall(b"HTTP/1.1 200 OK\r\n")
                while not stopping.wait(0.05):
                    secured.sendall(b"X: y\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"https://localhost:{server.server_address[1]}/u"
        finally:
            stopping.set()
            server.shutdown()
            thread.join()


def test_the_request_is_that_of_the_rfc_and_no_more(authority: Authority) -> None:
    """RFC 8058 §3.2: no cookie, no referrer, nothing of who or where the reader is."""
    with site(authority.good, 202, **{"Set-Cookie": "track=1"}) as running:
        for _ in range(2):
            assert post_one_click(running.url, ca_file=str(authority.ca)) == (
                "localhost took it: no more mail should come from this list."
            )
        for line, headers, body in running.requests:
            assert line == "POST /u?list=1&who=lisa HTTP/1.1"
            assert body == b"List-Unsubscribe=One-Click"
            assert headers["content-type"] == "application/x-www-form-urlencoded"
            assert headers["user-agent"] == "termmail"
            assert headers.keys() <= {
                "host", "content-type", "content-length", "user-agent", "accept", "accept-encoding", "connection",
            }  # fmt: skip


def test_a_redirect_is_not_followed(authority: Authority) -> None:
    """Nobody else hears of it."""
    with site(authority.good) as other, site(authority.good, 307, Location=other.url) as running:
        with pytest.raises(ServerRefused, match=r"HTTP 307.*not followed"):
            post_one_click(running.url, ca_file=str(authority.ca))
        assert not other.requests


def test_a_refusal_is_told(authority: Authority) -> None:
    with (
        site(authority.good, 410) as running,
        pytest.raises(ServerRefused, match=r"did not take it \(HTTP 410, Gone\)"),
    ):
        post_one_click(running.url, ca_file=str(authority.ca))


@pytest.mark.parametrize("which", ["expired", "wrong_host", "self_signed"])
def test_a_certificate_that_is_not_trusted_gets_nothing(authority: Authority, which: str) -> None:
    """T2."""
    with site(getattr(authority, which)) as running:
        with pytest.raises(InsecureConnection, match="nothing was sent"):
            post_one_click(running.url, ca_file=str(authority.ca))
        assert not running.requests


def test_an_answer_that_never_ends_ends_in_time(authority: Authority) -> None:
    """Each byte of the header comes in time, and the header has no end."""
    with endless(authority.good) as url:
        done: list[BaseException] = []

        def post() -> None:
            try:
                post_one_click(url, ca_file=str(authority.ca), seconds=0.5)
            except TermmailError as error:
                done.append(error)

        posting = threading.Thread(target=post, daemon=True)
        posting.start()
        posting.join(20)
        assert [type(error) for error in done] == [ConnectionLost]
        assert "did not answer within" in str(done[0])


def test_a_proxy_of_the_environment_is_not_used(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody hears of it but who is asked about."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with site(authority.good) as running:
        assert "took it" in post_one_click(running.url, ca_file=str(authority.ca))
        assert len(running.requests) == 1


@pytest.mark.tinyproxy
def test_the_accounts_proxy_is_used(authority: Authority, tmp_path: Path) -> None:
    with site(authority.good) as running, tinyproxy(tmp_path / "proxy") as proxy:
        assert "took it" in post_one_click(running.url, ca_file=str(authority.ca), proxy=proxy)
        with pytest.raises(ConnectionLost):
            post_one_click(running.url, ca_file=str(authority.ca), proxy="http://127.0.0.1:1")
        with pytest.raises(ConfigError, match="SOCKS 4"):
            post_one_click(running.url, ca_file=str(authority.ca), proxy="socks4://127.0.0.1:1080")
        assert len(running.requests) == 1


def test_no_network_is_told(authority: Authority) -> None:
    with pytest.raises(ConnectionLost, match="localhost can't be reached"):
        post_one_click("https://localhost:1/", ca_file=str(authority.ca))
    with pytest.raises(ConnectionLost):
        post_one_click("https://list.invalid/u", ca_file=str(authority.ca))


@pytest.mark.parametrize(
    "url",
    [
        "http://lists.example/u", "ftp://lists.example/", "file:///etc/passwd", "https:///x", "", "https://a@lists.example/",
        "https://lists.example/\r\nX: y", "https://xn--\u0430.example/", "javascript:alert(1)",
    ],
)  # fmt: skip
def test_nothing_but_https(url: str) -> None:
    with pytest.raises(UnsafeArgument):
        post_one_click(url)


def test_every_failure_is_one_of_ours(authority: Authority) -> None:
    for url in ("https://[::1", "https://localhost:99999/", "https://" + "a" * 300 + ".example/"):
        with pytest.raises((TermmailError, ValueError)):
            post_one_click(url, ca_file=str(authority.ca))
