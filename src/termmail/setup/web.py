"""Fetching a small file by HTTP: so many bytes, so many seconds, so many redirects, and never from HTTPS to plain HTTP."""

from __future__ import annotations

import ssl
import time
from functools import lru_cache

import httpx

from termmail import __version__
from termmail.model.errors import TermmailError
from termmail.protocols.tls import client_context
from termmail.setup.network import Network

MAX_BYTES = 256 << 10
MAX_REDIRECTS = 3


class NotFetched(Exception):
    """The file could not be had; the text says why. `absent` says that there is none, `refused` that there is one, but not to be
    taken."""

    def __init__(self, why: str, *, absent: bool = False, refused: bool = False) -> None:
        super().__init__(why)
        self.absent = absent
        self.refused = refused


@lru_cache(maxsize=1)
def _context(ca_file: str) -> ssl.SSLContext:
    """Made once for all that is fetched at the same time: reading the system's authorities takes long."""
    return client_context(ca_file)


class _ThroughNetwork(httpx.BaseTransport):
    """Connects where the network says, under the name that was meant."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._transport = httpx.HTTPTransport(
            verify=_context(network.ca_file), proxy=network.proxy or None, trust_env=False
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.raw_host.decode("ascii")
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        place = self._network.endpoint(host, port)
        if (place.host, place.port) != (host, port):
            request = httpx.Request(
                request.method,
                request.url.copy_with(host=place.host, port=place.port),
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": host},
            )
        return self._transport.handle_request(request)

    def close(self) -> None:
        self._transport.close()


def fetch(url: str, network: Network, seconds: float) -> bytes:
    """The file at a URL. Raises NotFetched."""
    deadline = time.monotonic() + seconds
    try:
        transport = _ThroughNetwork(network)
    except (TermmailError, ValueError, ImportError) as error:
        raise NotFetched(_why(error)) from error
    with httpx.Client(
        transport=transport, timeout=seconds, headers={"User-Agent": f"termmail/{__version__}"}, follow_redirects=False
    ) as client:
        for _ in range(MAX_REDIRECTS + 1):
            try:
                with client.stream("GET", url) as response:
                    if not response.has_redirect_location:
                        return _body(response, deadline)
                    target = response.url.join(response.headers["location"])
            except (httpx.UnsupportedProtocol, httpx.RemoteProtocolError) as error:
                raise NotFetched("it leads to something that is no web page", refused=True) from error
            except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
                raise NotFetched(_why(error)) from error
            if target.scheme not in ("https", "http") or (
                httpx.URL(url).scheme == "https" and target.scheme != "https"
            ):
                raise NotFetched("it leads from HTTPS to a place without it", refused=True)
            if time.monotonic() > deadline:
                raise NotFetched("it took too long")
            url = str(target)
    raise NotFetched("it leads from one place to the next without an end", refused=True)


def _body(response: httpx.Response, deadline: float) -> bytes:
    if response.status_code != httpx.codes.OK:
        raise NotFetched(f"HTTP {response.status_code}", absent=response.status_code in (403, 404, 410))
    body = bytearray()
    for chunk in response.iter_bytes(16 << 10):
        body += chunk
        if len(body) > MAX_BYTES:
            raise NotFetched("it is too large", refused=True)
        if time.monotonic() > deadline:
            raise NotFetched("it took too long")
    return bytes(body)


def _why(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "it did not answer in time"
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "its certificate is not trusted"
    if isinstance(error, httpx.ConnectError):
        return "it can't be reached"
    return f"it could not be fetched ({type(error).__name__})"
