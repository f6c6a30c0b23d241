"""What the engine tells the front ends through rows of the store."""

from __future__ import annotations

import enum

import msgspec


class ConnectionState(enum.Enum):
    """An account's line to its server."""

    UNKNOWN = "unknown"
    CONNECTING = "connecting"
    ONLINE = "online"
    WAITING = "waiting"
    OFFLINE = "offline"
    SIGN_IN = "sign in"
    INSECURE = "insecure"


class AccountStatus(msgspec.Struct, frozen=True):
    """One account as the status line shows it.

    `sentence` says what is wrong or done, for people. `activity` names what runs ("INBOX: messages"), with `done` of `total` units
    (total 0: unknown) and `size` bytes so far (0: not counted); `next_at` is when the next try is due in Unix seconds, 0 for none;
    `synced_at` the end of the last good sync.
    `plain` warns that the connection is not encrypted (T1).
    """

    account: str
    state: ConnectionState
    sentence: str = ""
    activity: str = ""
    done: int = 0
    total: int = 0
    next_at: float = 0
    synced_at: float = 0
    pending_operations: int = 0
    plain: bool = False
    size: int = 0


class Problem(msgspec.Struct, frozen=True):
    """One line of "what went wrong lately". `at` is Unix seconds. `placement_id` names the message it is about, if any."""

    id: int
    at: float
    account: str
    mailbox: str
    placement_id: int | None
    sentence: str
    detail: str
    seen: bool


class RequestState(enum.Enum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class RequestKind(enum.Enum):
    """SYNC: one pass over an account (or one mailbox of it). BODY: fetch one message's body now."""

    SYNC = "sync"
    BODY = "body"


class Request(msgspec.Struct, frozen=True):
    """A wish of a front end that the engine carries out now and that is not an edit."""

    id: int
    kind: RequestKind
    account: str
    mailbox_id: int | None
    placement_id: int | None
    state: RequestState
    sentence: str
