"""Leaving a mailing list by one POST (RFC 8058), when the user has said so."""

from __future__ import annotations

import queue
import ssl
import threading
import time
from http import HTTPStatus
from urllib.parse import urlsplit

from termmail.mime.mailing_list import ONE_CLICK
from termmail.mime.safe_text import safe_address
from termmail.model.errors import ConnectionLost, InsecureConnection, ServerRefused, TermmailError, UnsafeArgument
from termmail.model.proxy import web_proxy
from termmail.protocols.tls import client_context

_SECONDS = 20.0
_NO_ANSWER = "{host} did not answer within {seconds:.0f} seconds. Try again later."
_HEADERS = {
    "User-Agent": "termmail",
    "Content-Type": "application/x-www-form-urlencoded",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
}


def post_one_click(url: str, *, ca_file: str = "", proxy: str = "", seconds: float = _SECONDS) -> str:
    """POST to the https URL of a List-Unsubscribe field; returns a sentence on what came of it. Blocks for `seconds` at most.

    Nothing goes along but what RFC 8058 §3.2 asks for: no cookie, no referrer, no name. A redirect is not followed, so nobody else
    hears of it. The answer's body is not read. `proxy` is an account's; the environment's is not used. Raises UnsafeArgument for any
    other URL, InsecureConnection, ConnectionLost, ConfigError for a proxy or an authority that can't be used, and ServerRefused where
    the list says no.
    """
    parts = urlsplit(url)
    host = safe_address(parts.hostname or "")
    if parts.scheme.lower() != "https" or not host or "@" in parts.netloc or not url.isascii() or not url.isprintable():
        raise UnsafeArgument("That is no address to unsubscribe at by one POST: it must be https.")
    status = _status_within(seconds, host, url, client_context(ca_file), web_proxy(proxy))
    if 200 <= status < 300:
        return f"{host} took it: no more mail should come from this list."
    if 300 <= status < 400:
        raise ServerRefused(
            f"{host} sends on to another address (HTTP {status}), which RFC 8058 forbids, so it was not followed."
            " Open the list's page or write to it instead."
        )
    raise ServerRefused(
        f"{host} did not take it (HTTP {status}{_phrase(status)}). Open the list's page or write to it instead."
    )


def _status_within(seconds: float, host: str, url: str, context: ssl.SSLContext, proxy: str | None) -> int:
    """The HTTP status of the answer. A server that sends a byte now and then holds up a thread, but not who waits here."""
    import httpx

    began = time.monotonic()
    answers: queue.SimpleQueue[int | BaseException] = queue.SimpleQueue()

    def post() -> None:
        try:
            answers.put(_status(url, context, proxy, seconds))
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            answers.put(error)

    threading.Thread(target=post, name="one click", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise ConnectionLost(_NO_ANSWER.format(host=host, seconds=seconds)) from None
    if isinstance(answer, httpx.HTTPError | httpx.InvalidURL | ssl.SSLError):
        raise _failed(host, answer, time.monotonic() - began) from answer
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _status(url: str, context: ssl.SSLContext, proxy: str | None, seconds: float) -> int:
    import httpx

    with (
        httpx.Client(
            verify=context, proxy=proxy, timeout=seconds, follow_redirects=False, trust_env=False, headers=_HEADERS
        ) as client,
        client.stream("POST", url, content=ONE_CLICK.encode()) as answer,
    ):
        return answer.status_code


def _phrase(status: int) -> str:
    try:
        return f", {HTTPStatus(status).phrase}"
    except ValueError:
        return ""


def _failed(host: str, error: Exception, after: float) -> TermmailError:
    import httpx

    detail = f"{type(error).__name__}: {error}"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return InsecureConnection(
                f"The certificate of {host} is not one that this computer trusts, so nothing was sent.", detail=detail
            )
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.TimeoutException):
        return ConnectionLost(_NO_ANSWER.format(host=host, seconds=after), detail=detail)
    return ConnectionLost(f"{host} can't be reached. Check whether there is a network, and try again.", detail=detail)
