"""Fetching the pictures of a mail: only what was asked for, from the internet only, and nothing that tells who asks (T18)."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path

import pytest

from gallery.mails import png
from termmail.model.errors import ConfigError
from termmail.protocols import pictures
from termmail.protocols.pictures import fetch_pictures, public_address

PICTURE = png(4, 3, lambda x, y: (1, 2, 3))


class _Site:
    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str]]] = []
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                if self.path.startswith("/to/"):
                    self.send_response(302)
                    self.send_header("Location", self.path.removeprefix("/to/"))
                    self.send_header("Set-Cookie", "who=lisa")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                if self.path.startswith("/slow"):
                    site.trickle(self.wfile, b"HTTP/1.0 200 OK\r\n\r\n" if self.path == "/slow-body" else b"")
                    return
                data = {"/huge.png": PICTURE + bytes(pictures.MAX_BYTES), "/page.png": b"<html>no</html>"}.get(
                    self.path, PICTURE
                )
                self.send_response(404 if self.path == "/none.png" else 200)
                self.send_header("Set-Cookie", "who=lisa")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(data)

            def log_message(self, *words: object) -> None:
                pass

        self._stopping = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def trickle(self, file: BufferedIOBase, start: bytes) -> None:
        """A byte now and then, for as long as somebody reads."""
        with contextlib.suppress(OSError):
            file.write(start)
            while not self._stopping.wait(0.05):
                file.write(b"x")

    def stop(self) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def site() -> Iterator[_Site]:
    running = _Site()
    yield running
    running.stop()


def loopback(host: str, port: int) -> str:
    """These tests have no internet: a name stands for the site, all else is refused."""
    if host != "img.example":
        raise ValueError(host)
    return "127.0.0.1"


def test_a_picture_is_fetched_and_nothing_said_about_who_asks(site: _Site, tmp_path: Path) -> None:
    """T18: no cookie, no referrer, no language, no program; the file is private."""
    url = f"HTTP://img.example:{site.port}/a.png?x=1"
    found = fetch_pictures([url, url], tmp_path, guard=loopback)
    assert found[url].read_bytes() == PICTURE
    assert found[url].stat().st_mode & 0o777 == 0o600
    ((path, headers),) = site.requests
    assert path == "/a.png?x=1"
    assert headers == {
        "host": f"img.example:{site.port}",
        "user-agent": "Mozilla/5.0",
        "accept": "image/*",
        "accept-encoding": "identity",
        "connection": "keep-alive",
    }


def test_what_is_missing_no_picture_or_too_large_is_left_out(site: _Site, tmp_path: Path) -> None:
    """P5."""
    base = f"http://img.example:{site.port}"
    found = fetch_pictures(
        [f"{base}/none.png", f"{base}/page.png", f"{base}/huge.png", f"{base}/b.png"], tmp_path, guard=loopback
    )
    assert list(found) == [f"{base}/b.png"]
    assert len(list(tmp_path.iterdir())) == 1


def test_a_proxy_of_the_environment_is_not_used(site: _Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what the account says."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    url = f"http://img.example:{site.port}/a.png"
    assert list(fetch_pictures([url], tmp_path, guard=loopback)) == [url]
    with pytest.raises(ConfigError, match="SOCKS 4"):
        fetch_pictures([url], tmp_path, guard=loopback, proxy="socks4://127.0.0.1:1080")


@pytest.mark.parametrize("path", ["slow-header", "slow-body"])
def test_a_server_that_goes_on_for_ever_holds_up_nobody(path: str, site: _Site, tmp_path: Path) -> None:
    """P5: each byte comes in time, the answer never ends; the other pictures are there, and nothing keeps the program from ending."""
    base = f"http://img.example:{site.port}"
    found: list[str] = []
    fetching = threading.Thread(
        target=lambda: found.extend(
            fetch_pictures([f"{base}/{path}", f"{base}/a.png"], tmp_path, seconds=1.0, guard=loopback)
        ),
        daemon=True,
    )
    fetching.start()
    fetching.join(20)
    assert found == [f"{base}/a.png"]
    assert all(thread.daemon for thread in threading.enumerate() if thread.name.startswith("picture"))


def test_redirects_are_followed_three_times_without_cookies_and_never_elsewhere(site: _Site, tmp_path: Path) -> None:
    base = f"http://img.example:{site.port}"
    once, loop = f"{base}/to//c.png", f"{base}/to/{base}/to/{base}/to/{base}/to/{base}/d.png"
    inside, file = f"{base}/to/http://router.local:{site.port}/d.png", f"{base}/to/file:///etc/passwd"
    assert list(fetch_pictures([once, loop, inside, file], tmp_path, guard=loopback)) == [once]
    assert all("cookie" not in headers for _, headers in site.requests)
    assert not any(headers["host"].startswith("router") for _, headers in site.requests)


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "::1", "fd00::1"]
)
def test_a_mail_can_not_reach_into_the_own_network(host: str, site: _Site, tmp_path: Path) -> None:
    """T18."""
    with pytest.raises(ValueError, match="private network"):
        public_address(host, 80)
    shown = f"[{host}]" if ":" in host else host
    assert fetch_pictures([f"http://{shown}:{site.port}/a.png"], tmp_path) == {}
    assert site.requests == []


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://img.example/a.png", "http://lisa@img.example/a.png", "data:image/png;base64,x"]
)
def test_other_urls_are_not_asked_for(url: str, tmp_path: Path) -> None:
    """D8."""

    def refuse(host: str, port: int) -> str:
        raise AssertionError(host)

    assert fetch_pictures([url], tmp_path, guard=refuse) == {}
