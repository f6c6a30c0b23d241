"""Where a browser comes back to after a sign-in: one page on this computer, for one visit (RFC 8252 §7.3)."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
import urllib.parse

from termmail.model.errors import Cancelled, SignInRefused, TermmailError

_VISIT_SECONDS = 5.0
_LONGEST_REQUEST = 16 << 10
_LOOK_SECONDS = 0.1
_PAGE = """\
<!doctype html><html lang="en"><meta charset="utf-8"><title>termmail</title>
<body style="font-family: sans-serif; margin: 3em"><h1>{title}</h1><p>{text}</p></body></html>
"""
_HEADERS = (
    "Content-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n"
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\nConnection: close\r\n"
)


class RedirectListener:
    """Listens on 127.0.0.1 alone, at a port the system chooses (C5). Only a visit with the right `state` counts; others get a plain
    refusal, and the wait goes on. `redirect_uri` is the address for the server. Raises TermmailError where it can't listen."""

    def __init__(self, host_name: str, state: str) -> None:
        self._state = state
        self._found: queue.SimpleQueue[dict[str, str]] = queue.SimpleQueue()
        try:
            self._socket = socket.create_server(("127.0.0.1", 0))
        except OSError as error:
            raise TermmailError(
                f"termmail could not wait for the browser on this computer: {error.strerror}. Try again."
            ) from error
        self._socket.settimeout(_LOOK_SECONDS)
        self.redirect_uri = f"http://{host_name}:{self._socket.getsockname()[1]}/"
        self._closed = threading.Event()
        threading.Thread(target=self._serve, name="redirect", daemon=True).start()

    def take(self, parameters: dict[str, str]) -> None:
        """What a visit would have brought, found by other means."""
        self._found.put(parameters)

    def wait(self, seconds: float, cancelled: threading.Event) -> dict[str, str]:
        """The parameters of the visit: `code` or `error`, and what else came.

        Raises SignInRefused where nobody came in time, Cancelled.
        """
        deadline = time.monotonic() + seconds
        while not cancelled.is_set():
            try:
                return self._found.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                if time.monotonic() > deadline:
                    raise SignInRefused(
                        f"Nobody signed in within {seconds / 60:.0f} minutes. Begin again when you are ready."
                    ) from None
        raise Cancelled("Stopped.")

    def close(self) -> None:
        """Listen no longer; never raises."""
        self._closed.set()

    def _serve(self) -> None:
        with self._socket:
            while not self._closed.is_set():
                with contextlib.suppress(OSError):
                    visitor, _ = self._socket.accept()
                    # Browsers open connections ahead on which they say nothing: the visit must not wait for those.
                    threading.Thread(target=self._receive, args=(visitor,), name="redirect visit", daemon=True).start()

    def _receive(self, visitor: socket.socket) -> None:
        with contextlib.suppress(OSError), visitor:
            visitor.settimeout(_VISIT_SECONDS)
            if self._answer(visitor):
                self.close()

    def _answer(self, visitor: socket.socket) -> bool:
        """Whether this was the visit that is waited for."""
        request = b""
        while b"\r\n\r\n" not in request and len(request) < _LONGEST_REQUEST:
            part = visitor.recv(4096)
            if not part:
                return False
            request += part
        words = request.split(b"\r\n", 1)[0].split(b" ")
        if len(words) != 3 or words[0] != b"GET":
            _reply(visitor, "405 Method Not Allowed", "Not this way", "termmail waits for the end of a sign-in here.")
            return False
        path, parameters = split_redirect(words[1].decode("ascii", "replace"))
        if path != "/" or not ends_sign_in(parameters, self._state):
            _reply(visitor, "404 Not Found", "Nothing here", "termmail waits for the end of a sign-in here.")
            return False
        if "error" in parameters:
            _reply(visitor, "200 OK", "Not signed in", "termmail says why. You can close this page.")
        else:
            _reply(visitor, "200 OK", "Back to termmail", "You can close this page; termmail goes on.")
        self._found.put(parameters)
        return True


def split_redirect(address: str) -> tuple[str, dict[str, str]]:
    """The path and the parameters of an address at which a browser ended; empty where it is none."""
    try:
        target = urllib.parse.urlsplit(address)
        return target.path, dict(urllib.parse.parse_qsl(target.query, max_num_fields=20))
    except ValueError:
        return "", {}


def ends_sign_in(parameters: dict[str, str], state: str) -> bool:
    """Whether they are those of the sign-in with this `state`."""
    return parameters.get("state") == state and not parameters.keys().isdisjoint(("code", "error"))


def _reply(visitor: socket.socket, status: str, title: str, text: str) -> None:
    page = _PAGE.format(title=title, text=text).encode()
    visitor.sendall(f"HTTP/1.1 {status}\r\n{_HEADERS}Content-Length: {len(page)}\r\n\r\n".encode("ascii") + page)
