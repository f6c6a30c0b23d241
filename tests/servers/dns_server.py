"""A name server on loopback (dnslib) that knows what a test tells it, or answers badly."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from dnslib import QTYPE, RCODE, RR, DNSError
from dnslib.server import DNSLogger, DNSServer

from servers.ports import free_ports


class NameServer:
    """`zone` is in the format of zone files. `failure` is an rcode such as SERVFAIL or REFUSED for every question; `silent` gives no
    answer at all. `asked` has the questions, as "name TYPE"."""

    def __init__(self, zone: str = "", *, failure: str = "", silent: bool = False) -> None:
        self._records = RR.fromZone(zone) if zone else []
        self._names = {str(record.rname).lower() for record in self._records}
        self._failure = failure
        self._silent = silent
        self.asked: list[str] = []
        (self.port,) = free_ports(1)
        self._server = DNSServer(
            self, port=self.port, address="127.0.0.1", logger=DNSLogger("-request,-reply,-truncated,-error")
        )

    def __enter__(self) -> NameServer:
        self._server.start_thread()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.server.shutdown()
        self._server.server.server_close()

    def resolve(self, request: Any, handler: Any) -> Any:
        """What dnslib calls for each question."""
        name, kind = str(request.q.qname).lower(), QTYPE[request.q.qtype]
        self.asked.append(f"{name.rstrip('.')} {kind}")
        if self._silent:
            raise DNSError("this server says nothing")
        reply = request.reply()
        if self._failure:
            reply.header.rcode = getattr(RCODE, self._failure)
            return reply
        for record in self._records:
            if str(record.rname).lower() == name and QTYPE[record.rtype] == kind:
                reply.add_answer(record)
        below = any(known == name or known.endswith(f".{name}") for known in self._names)
        if not below:
            reply.header.rcode = RCODE.NXDOMAIN
        return reply
