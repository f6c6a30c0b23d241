"""HTTPS requests to a sign-in server: JSON answers of a bounded size in a bounded time, and what goes wrong as sentences."""

from __future__ import annotations

import math
import ssl
import time
import urllib.parse
from typing import TYPE_CHECKING

import msgspec

from termmail.accounts.oauth.settings import safe_url
from termmail.model.errors import ConfigError, ConnectionLost, InsecureConnection, TermmailError
from termmail.model.proxy import web_proxy

if TYPE_CHECKING:
    import httpx

REQUEST_SECONDS = 20.0
"""How long one request may take, all in all."""

_LARGEST_ANSWER = 1 << 20
_AGENT = "termmail"


class Route(msgspec.Struct, frozen=True):
    """How an account's requests go: `ca_file` is a PEM file with a private authority, `proxy` a URL as in its settings, or empty."""

    ca_file: str = ""
    proxy: str = ""


class Answer(msgspec.Struct, frozen=True):
    """An HTTP status and the JSON object with it; an empty one where the body is none."""

    status: int
    fields: dict[str, object]

    def text(self, name: str) -> str:
        """A field that is a string; empty where there is none."""
        value = self.fields.get(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> float | None:
        """A field that is a number, which some servers write as a string; None where there is none."""
        value = self.fields.get(name)
        if not isinstance(value, int | float | str) or isinstance(value, bool):
            return None
        try:
            number = float(value)
        except (ValueError, OverflowError):
            return None
        return number if math.isfinite(number) else None

    def words(self, name: str) -> tuple[str, ...]:
        """A field that is a list of strings; empty where there is none."""
        value = self.fields.get(name)
        return tuple(word for word in value if isinstance(word, str)) if isinstance(value, list) else ()


def get(url: str, route: Route) -> Answer:
    """Raises ConnectionLost, also for an answer that says that the server is in trouble; InsecureConnection, ConfigError."""
    return _request("GET", url, {"Accept": "application/json"}, b"", route)


def post(url: str, headers: dict[str, str], body: str, route: Route) -> Answer:
    """A form. Raises as `get`."""
    return _request("POST", url, headers, body.encode(), route)


def host_of(url: str) -> str:
    """The host of a URL, for sentences."""
    return urllib.parse.urlsplit(url).hostname or url


def _request(method: str, url: str, headers: dict[str, str], body: bytes, route: Route) -> Answer:
    import httpx

    if not safe_url(url):
        raise InsecureConnection(f"{host_of(url)} is not asked by https, so nothing was sent. Use a URL with https.")
    proxy = web_proxy(route.proxy)
    deadline = time.monotonic() + REQUEST_SECONDS
    content = bytearray()
    try:
        with (
            httpx.Client(
                verify=_context(route.ca_file), proxy=proxy, timeout=REQUEST_SECONDS / 2, trust_env=False
            ) as client,
            client.stream(method, url, headers={"User-Agent": _AGENT} | headers, content=body) as response,
        ):
            for block in response.iter_bytes():
                content += block
                if len(content) > _LARGEST_ANSWER or time.monotonic() > deadline:
                    raise ConnectionLost(
                        f"{host_of(url)} gave an answer too long or too slow for a sign-in. It is tried again."
                    )
    except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as error:
        raise _failed(url, error) from error
    if response.status_code >= 500 or response.status_code in (408, 425, 429):
        raise ConnectionLost(
            f"{host_of(url)} has no time for signing in now. It is tried again.", detail=f"HTTP {response.status_code}"
        )
    try:
        fields = msgspec.json.decode(bytes(content), type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError):
        fields = {}
    return Answer(response.status_code, fields)


def _context(ca_file: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    if ca_file:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"The authority file {ca_file} can't be read. Give ca_file the path of a PEM file with the certificate.",
                detail=str(error),
            ) from error
    return context


def _failed(url: str, error: httpx.HTTPError | httpx.InvalidURL | ssl.SSLError) -> TermmailError:
    import httpx

    host = host_of(url)
    detail = f"{type(error).__name__}: {error}"
    causes: list[BaseException] = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None and cause not in causes:
        causes.append(cause)
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return InsecureConnection(
            f"The certificate of {host} is not one that this computer trusts, so nothing was sent. If the server is your own, give"
            " the account the file of its authority.",
            command="--ca-file PEM",
            detail=detail,
        )
    if isinstance(error, httpx.TimeoutException):
        return ConnectionLost(f"{host} does not answer, so signing in has to wait. It is tried again.", detail=detail)
    return ConnectionLost(
        f"{host} can't be reached, so signing in has to wait. Check whether there is a network. It is tried again.",
        detail=detail,
    )
