"""The way a message took, from its writer to this computer, as its Received fields tell it (RFC 5321 §4.4)."""

from __future__ import annotations

import msgspec


class Hop(msgspec.Struct, frozen=True):
    """One Received field: a server that took the message, and from whom. Every string is safe to show; what is not told is empty.

    `from_name` is what the sender called itself (HELO), `from_host` the name that the receiver found for `from_ip`. `tls` is None
    where the field does not say, `tls_version` a number such as "1.3". `at` is Unix seconds (UTC); `delay` is the time in seconds
    since the last hop before it that tells its time, or since the Date field for the first; negative where clocks disagree.
    `sure` says that the field was written by the reader's own provider: all others may be made up. `doubts` are sentences.
    `written` is the field as it stands, on one line.
    """

    from_name: str = ""
    from_host: str = ""
    from_ip: str = ""
    by: str = ""
    by_ip: str = ""
    protocol: str = ""
    tls: bool | None = None
    tls_version: str = ""
    queue_id: str = ""
    recipient: str = ""
    at: int | None = None
    delay: int | None = None
    sure: bool = False
    doubts: tuple[str, ...] = ()
    written: str = ""


class Journey(msgspec.Struct, frozen=True):
    """All hops in the order of travel: the writer's first, the one nearest to this computer last.

    `written_at` is the Date field (Unix seconds), `arrived_at` the time of the last hop that tells one. `seconds` is the time from
    the first to the last time known, never negative, None where there are not two. `origin_ip` is what the writer's provider tells of
    the writer's computer (X-Originating-IP). `notes` are sentences on the whole.
    """

    hops: tuple[Hop, ...] = ()
    written_at: int | None = None
    arrived_at: int | None = None
    seconds: int | None = None
    origin_ip: str = ""
    notes: tuple[str, ...] = ()
