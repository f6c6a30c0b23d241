"""The way of a message from its writer to this computer, out of its Received fields (RFC 5321 §4.4), judged as to what is sure."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from termmail.mime.dates import parse_date
from termmail.mime.domains import (
    IpAddress,
    ip_address,
    is_impossible,
    is_inner,
    is_public_name,
    provider_of,
    same_network,
)
from termmail.mime.headers import decode_header, header_fields
from termmail.mime.received import Received, parse_received
from termmail.model.journey import Hop, Journey

MAX_HOPS = 100

_ORIGIN_FIELDS = ("x-originating-ip", "x-sender-ip", "x-client-ip")
_CLOCK_TOLERANCE = 5
_SMTP = ("SMTP", "ESMTP", "UTF8SMTP")
_FETCHING = ("IMAP", "POP3")


def journey(raw_header: bytes, *, own_hosts: Collection[str] = ()) -> Journey:
    """The hops that a raw header block (or whole message) tells of, in the order of travel; at most 100. Never raises.

    A Received field can be made up by anybody who had the message before the server that wrote the one above it. So only the fields
    from the reader's own provider, down to the one where it took the message from somebody else, are `sure`. The provider is the one
    that wrote the topmost field with a public name, and any whose domain is that of one of `own_hosts` (names of the account's
    servers). Times are as the servers wrote them, so a `delay` holds the difference of two clocks.
    """
    received: list[Received] = []
    written_at: int | None = None
    origin = ""
    dropped = 0
    for name, value in header_fields(raw_header):
        field = name.lower()
        if field == "received":
            if len(received) < MAX_HOPS:
                received.append(parse_received(value))
            else:
                dropped += 1
        elif field == "date" and written_at is None:
            written_at = parse_date(decode_header(value))
        elif field in _ORIGIN_FIELDS and not origin:
            found = ip_address(decode_header(value[:200]).strip())
            origin = str(found) if found is not None else ""
    received.reverse()
    sure_from = _first_sure(received, {provider_of(host) for host in own_hosts} - {""})
    hops: list[Hop] = []
    last_time = written_at
    for place, one in enumerate(received):
        sure = place >= sure_from
        delay = one.at - last_time if one.at is not None and last_time is not None else None
        following = received[place + 1] if place + 1 < len(received) else None
        doubts = _doubts(one, following, delay)
        hops.append(_hop(one, delay, sure, doubts))
        last_time = one.at if one.at is not None else last_time
    times = [time for time in (written_at, *(hop.at for hop in hops)) if time is not None]
    arrived = next((hop.at for hop in reversed(hops) if hop.at is not None), None)
    return Journey(
        hops=tuple(hops),
        written_at=written_at,
        arrived_at=arrived,
        seconds=max(0, times[-1] - times[0]) if len(times) > 1 else None,
        origin_ip=origin,
        notes=_notes(hops, dropped),
    )


def _hop(one: Received, delay: int | None, sure: bool, doubts: tuple[str, ...]) -> Hop:
    told_peer = one.from_name or one.from_ip
    return Hop(
        from_name=one.from_name,
        from_host=one.from_host,
        from_ip=one.from_ip,
        by=one.by,
        by_ip=one.by_ip,
        protocol=one.protocol,
        tls=one.tls if one.tls or told_peer else None,
        tls_version=one.tls_version,
        queue_id=one.queue_id,
        recipient=one.recipient,
        at=one.at,
        delay=delay,
        sure=sure,
        doubts=doubts,
        written=one.written,
    )


def _first_sure(received: list[Received], own: set[str]) -> int:
    """The place of the earliest hop that the reader's own provider wrote, by going back from the last one."""
    if not received:
        return 0
    place = len(received) - 1
    provider = set(own)
    while True:
        one = received[place]
        owner = provider_of(one.by)
        above = received[place + 1].protocol if place + 1 < len(received) else ""
        if owner and (not provider or place == len(received) - 1 or above.startswith(_FETCHING)):
            provider.add(owner)
        if owner and owner not in provider:
            return place + 1
        if place == 0 or not _from_inside(one, provider):
            return place
        place -= 1


def _from_inside(one: Received, provider: set[str]) -> bool:
    """Whether the server that wrote this took the message from another one of the same provider, or from itself."""
    if one.protocol.startswith(_FETCHING):
        return True
    peer = ip_address(one.from_ip) if one.from_ip else None
    if peer is None:
        # No peer at all is a step within one server; a name alone proves nothing, but is what a local delivery has.
        return not one.from_name or not one.protocol.startswith(_SMTP) or not is_public_name(one.from_name)
    if is_inner(peer):
        return True
    if one.from_host and provider_of(one.from_host) in provider:
        return True
    if provider_of(one.from_name) not in provider:
        return False
    receiver = ip_address(one.by_ip) if one.by_ip else None
    return not one.protocol.startswith(_SMTP) or (receiver is not None and same_network(peer, receiver))


def _doubts(one: Received, following: Received | None, delay: int | None) -> tuple[str, ...]:
    """What speaks against a hop by itself, as sentences; that one is not sure at all is told by `Hop.sure`."""
    found: list[str] = []
    if following is not None and not _chains(one, following):
        found.append(
            f"It says that {_receiver(one)} took the message, but the next server got it from {_sender(following)}."
        )
    if one.forged:
        found.append("The receiving server could not confirm the name that the sender gave.")
    peer = ip_address(one.from_ip) if one.from_ip else None
    if peer is not None and is_impossible(peer):
        found.append(f"No computer can have the address {one.from_ip}.")
    elif peer is not None and not is_inner(peer) and _claims_receiver(one):
        found.append(f"The sender called itself {one.from_name}, which is the receiving server's own name.")
    if one.at is None:
        found.append("It does not tell a time that can be read.")
    elif delay is not None and delay < -_CLOCK_TOLERANCE:
        found.append(f"Its time is {_span(-delay)} before that of the step before it: one of the two clocks is wrong.")
    return tuple(found)


def _chains(one: Received, following: Received) -> bool:
    """Whether the server that took the message can be the one that handed it on; what is not told or not public agrees."""
    if not following.from_name and not following.from_ip:
        return True
    by_address = ip_address(one.by_ip or one.by)
    peer = ip_address(following.from_ip) if following.from_ip else None
    if by_address is not None and peer is not None and _near(by_address, peer):
        return True
    owner = provider_of(one.by)
    if not owner or (peer is not None and is_inner(peer)):
        return True
    names = {provider_of(name) for name in (following.from_name, following.from_host)} - {""}
    return not names or owner in names


def _near(one: IpAddress, other: IpAddress) -> bool:
    return one == other or same_network(one, other)


def _claims_receiver(one: Received) -> bool:
    name = one.from_name.lower().rstrip(".")
    receiver, peer = ip_address(one.by_ip), ip_address(one.from_ip)
    if not one.protocol.startswith(_SMTP) or (receiver is not None and peer is not None and _near(receiver, peer)):
        return False
    return is_public_name(name) and name == one.by.lower().rstrip(".") and one.from_host.lower() != name


def _receiver(one: Received) -> str:
    return one.by or one.by_ip


def _sender(one: Received) -> str:
    return one.from_host or one.from_name or one.from_ip


def _span(seconds: int) -> str:
    """A length of time in words, in its two largest units."""
    length = timedelta(seconds=seconds)
    values = (length.days, length.seconds // 3600, length.seconds // 60 % 60, length.seconds % 60)
    words = [
        f"{value} {unit}" + ("" if value == 1 else "s")
        for value, unit in zip(values, ("day", "hour", "minute", "second"), strict=True)
        if value
    ]
    return " ".join(words[:2])


def _notes(hops: list[Hop], dropped: int) -> tuple[str, ...]:
    notes: list[str] = []
    if not hops:
        notes.append("The message does not tell which way it took.")
    elif any(not hop.sure for hop in hops):
        count = sum(not hop.sure for hop in hops)
        what = "The first step was" if count == 1 else f"The first {count} steps were"
        notes.append(f"{what} written by servers that your provider does not answer for, so nothing of that is sure.")
    if dropped:
        notes.append(f"{dropped} earlier steps are not shown.")
    return tuple(notes)
