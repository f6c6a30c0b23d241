"""A web server on loopback that serves what a test tells it, for any host name, with or without TLS."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from servers.ports import free_ports
from servers.tls import Certificate

Answer = tuple[int, Mapping[str, str], bytes] | Callable[[BaseHTTPRequestHandler], None]


class WebServer:
    """`answers` go by "host/path" without a query: a status, header fields and a body, or a function that answers itself. Anything else
    is not found. `asked` has the "host/path?query" of each request."""

    def __init__(self, answers: Mapping[str, Answer], *, certificate: Certificate | None = None) -> None:
        self.asked: list[str] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host = self.headers.get("Host", "").partition(":")[0]
                owner.asked.append(host + self.path)
                answer = answers.get(host + self.path.partition("?")[0], (404, {}, b""))
                if callable(answer):
                    answer(self)
                    return
                status, fields, body = answer
                self.send_response(status)
                for name, value in fields.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        class Server(ThreadingHTTPServer):
            # With five, the usual number, one connection too many waits for seconds until it is tried again.
            request_queue_size = 100

            def handle_error(self, *_: object) -> None:
                """A client that goes away is often what a test is about."""

        self._server = Server(("127.0.0.1", free_ports(1)[0]), Handler)
        self.port = self._server.server_port
        if certificate is not None:
            context = certificate.server_context()
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="web server", daemon=True)

    def __enter__(self) -> WebServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
