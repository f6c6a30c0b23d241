"""How much room there is (QUOTA, RFC 9208)."""

from __future__ import annotations

from termmail.model.remote import Quota
from termmail.protocols.imap.core import Core
from termmail.protocols.imap.responses import Malformed, Response, Value

_KIB = 1024


def quota(core: Core) -> Quota | None:
    """See ImapSession.quota."""
    if not core.has("QUOTA"):
        return None
    found: list[Quota] = []

    def take(response: Response) -> bool:
        if response.kind == "QUOTAROOT":
            return True
        if response.kind != "QUOTA":
            return False
        try:
            values = response.values()
        except Malformed:
            return True
        resources = next((value for value in values if isinstance(value, list)), [])
        for name, used, limit in zip(resources[::3], resources[1::3], resources[2::3], strict=False):
            room = (_number(used), _number(limit))
            if name == b"STORAGE" and room[0] is not None and room[1]:
                found.append(Quota(room[0] * _KIB, room[1] * _KIB))
        return True

    core.command("GETQUOTAROOT", b"INBOX", take=take, what="to say how much room there is")
    return max(found, key=lambda one: one.used / one.limit, default=None)


def _number(value: Value) -> int | None:
    return int(value) if isinstance(value, bytes) and value.isdigit() and len(value) < 20 else None
