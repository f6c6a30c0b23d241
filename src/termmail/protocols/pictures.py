"""Fetching the pictures that a mail names elsewhere, when the user has asked for them."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx

from termmail.mime.image_size import image_size
from termmail.mime.links import safe_url
from termmail.model.errors import TermmailError
from termmail.model.proxy import web_proxy
from termmail.protocols.tls import client_context

MAX_PICTURES = 40
MAX_BYTES = 8 * 1024 * 1024
"""Of one picture."""
MAX_REDIRECTS = 3
SECONDS = 15.0
"""For all of them."""
_AT_ONCE = 4
# As little as a server needs, the same for everybody: no cookie, no referrer, no language, no name of this program.
_HEADERS = {"User-Agent": "Mozilla/5.0", "Accept": "image/*", "Accept-Encoding": "identity"}

Guard = Callable[[str, int], str]
"""Gives the address to connect to for a host and port, or raises ValueError."""


class _NotFetched(Exception):
    pass


def public_address(host: str, port: int) -> str:
    """The address of a host on the internet. Raises ValueError where one of its addresses is in a local or private network, so that a
    mail can't make this computer ask its router or its own services for anything; OSError where it has none.
    """
    addresses = [entry[4][0] for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for address in addresses:
        if not ipaddress.ip_address(str(address).partition("%")[0]).is_global:
            raise ValueError(f"{host} is in a private network")
    return str(addresses[0])


def fetch_pictures(
    urls: Sequence[str],
    folder: Path,
    *,
    ca_file: str = "",
    proxy: str = "",
    seconds: float = SECONDS,
    guard: Guard = public_address,
) -> dict[str, Path]:
    """Those of the pictures at `urls` that could be had, as new files (0600) in `folder`. Blocks for `seconds` at most.

    Only http and https, at most `MAX_PICTURES` of `MAX_BYTES`; what is no PNG, GIF, JPEG, WebP or BMP is dropped. `guard` says what may
    be connected to, at each redirect again; a proxy that the user has set looks names up itself. Raises ConfigError for a proxy or an
    authority that can't be used.
    """
    through = web_proxy(proxy) or ""
    deadline = time.monotonic() + seconds
    context = client_context(ca_file)
    wanted = [
        url for url in dict.fromkeys(urls) if safe_url(url) == url and url.lower().startswith(("http:", "https:"))
    ]
    waiting = deque(wanted[:MAX_PICTURES])
    found: dict[str, Path] = {}

    def fetch() -> None:
        while time.monotonic() < deadline:
            try:
                url = waiting.popleft()
            except IndexError:
                return
            try:
                found[url] = _write(folder, url, _fetch(url, context, through, deadline, guard))
            except (_NotFetched, httpx.HTTPError, httpx.InvalidURL, TermmailError, ValueError, OSError):
                # A picture that is missing is shown as missing, and the others are fetched.
                continue

    # A server that sends a byte now and then holds up its thread for ever, but neither who waits here nor the end of the program.
    threads = [threading.Thread(target=fetch, name="picture", daemon=True) for _ in range(min(_AT_ONCE, len(waiting)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return {url: found[url] for url in wanted if url in found}


def _write(folder: Path, url: str, data: bytes) -> Path:
    path = folder / hashlib.sha256(url.encode()).hexdigest()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    return path


def _fetch(url: str, context: ssl.SSLContext, proxy: str, deadline: float, guard: Guard) -> bytes:
    left = deadline - time.monotonic()
    if left <= 0:
        raise _NotFetched
    with httpx.Client(
        verify=context, proxy=proxy or None, timeout=left / 2, follow_redirects=False, trust_env=False, headers=_HEADERS
    ) as client:
        for _ in range(MAX_REDIRECTS + 1):
            request = _request(client, httpx.URL(url), proxy, guard)
            answer = client.send(request, stream=True)
            try:
                if not answer.has_redirect_location:
                    if answer.status_code != httpx.codes.OK:
                        raise _NotFetched
                    data = b"".join(_pieces(answer, deadline))
                    if image_size(data) is None:
                        raise _NotFetched
                    return data
                target = httpx.URL(url).join(answer.headers["location"])
            finally:
                answer.close()
            if safe_url(str(target)) is None or target.scheme not in ("http", "https"):
                raise _NotFetched
            url = str(target)
    raise _NotFetched


def _request(client: httpx.Client, url: httpx.URL, proxy: str, guard: Guard) -> httpx.Request:
    """A request that goes to the address that was looked at, under the name that was meant."""
    if proxy:
        return client.build_request("GET", url)
    host = url.raw_host.decode("ascii")
    address = guard(host, url.port or (443 if url.scheme == "https" else 80))
    return client.build_request(
        "GET",
        url.copy_with(host=address),
        headers={"Host": url.netloc.decode("ascii")},
        extensions={"sni_hostname": host},
    )


def _pieces(answer: httpx.Response, deadline: float) -> Iterator[bytes]:
    size = 0
    for piece in answer.iter_raw():
        size += len(piece)
        if size > MAX_BYTES or time.monotonic() > deadline:
            raise _NotFetched
        yield piece
