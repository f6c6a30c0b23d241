"""Times, sizes, counts and states as people read them."""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence

from termmail.model.body import Part
from termmail.model.flags import FlagSet
from termmail.model.mailbox import Mailbox, Role
from termmail.model.outgoing import LINGER_SECONDS, OutboxItem, OutboxState
from termmail.model.status import AccountStatus, ConnectionState
from termmail.ui.text import one_line, shown_address, steady

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_PROGRAMS_KEYWORDS = frozenset(
    ("$mdnsent", "$forwarded", "forwarded", "$submitted", "$submitpending", "$junk", "junk", "$notjunk", "notjunk", "nonjunk",
     "$phishing", "$hasattachment", "$hasnoattachment", "$autojunk", "$x-me-annot-2")
)  # fmt: skip
_KINDS = {
    "application/pdf": "PDF", "text/csv": "table", "text/calendar": "calendar", "application/ics": "calendar", "text/vcard": "contact",
    "text/x-vcard": "contact", "message/rfc822": "message", "message/global": "message", "text/html": "HTML", "text/plain": "text",
    "application/zip": "ZIP archive", "application/octet-stream": "file", "application/ms-tnef": "winmail.dat",
    "application/pgp-signature": "signature", "application/pkcs7-signature": "signature", "application/x-pkcs7-signature": "signature",
    "message/delivery-status": "delivery report", "text/rfc822-headers": "headers", "application/pgp-keys": "keys",
    "application/msword": "Word document", "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "Word document",
    "application/vnd.ms-excel": "Excel table", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "Excel table",
    "application/vnd.oasis.opendocument.text": "OpenDocument text", "text/x-patch": "patch", "text/x-diff": "patch",
}  # fmt: skip
_MINUTE = 60
_HOUR = 3600
_DAY = 86400


class Clock:
    """Local time words. What is today is looked up once and again when the day ends."""

    def __init__(self, now: float | None = None) -> None:
        self._fixed = now
        self._known: dict[int, str] = {}
        self._day_ends = 0.0
        self._today = datetime.date.min

    def now(self) -> float:
        return time.time() if self._fixed is None else self._fixed

    def turned(self) -> bool:
        """Whether another day has begun since the last look, so that times read otherwise."""
        now = self.now()
        if now < self._day_ends:
            return False
        local = datetime.datetime.fromtimestamp(now)
        self._today = local.date()
        midnight = datetime.datetime.combine(self._today + datetime.timedelta(days=1), datetime.time())
        self._day_ends = midnight.timestamp()
        self._known.clear()
        return True

    def short(self, moment: int) -> str:
        """14:05 today, Tue within the last week, 3 Nov this year, else 2024-11-03. `moment` is Unix seconds."""
        known = self._known.get(moment)
        if known is not None:
            return known
        self.turned()
        words = self._short(moment)
        if len(self._known) > 5000:
            self._known.clear()
        self._known[moment] = words
        return words

    def _short(self, moment: int) -> str:
        try:
            then = datetime.datetime.fromtimestamp(moment)
        except (OverflowError, OSError, ValueError):
            return "—"
        age = (self._today - then.date()).days
        if age == 0:
            return f"{then.hour:02d}:{then.minute:02d}"
        if 0 < age < 7:
            return _DAYS[then.weekday()]
        if then.year == self._today.year:
            return f"{then.day} {_MONTHS[then.month - 1]}"
        return f"{then.year:04d}-{then.month:02d}-{then.day:02d}"

    def full(self, moment: int | None) -> str:
        """Tue, 3 Nov 2024 14:05, in local time."""
        if moment is None:
            return "no date"
        try:
            then = datetime.datetime.fromtimestamp(moment)
        except (OverflowError, OSError, ValueError):
            return "no date"
        return f"{_DAYS[then.weekday()]}, {then.day} {_MONTHS[then.month - 1]} {then.year} {then.hour:02d}:{then.minute:02d}"

    def ago(self, moment: float) -> str:
        """just now, 5 min ago, at 14:05, on Tue, on 3 Nov."""
        age = self.now() - moment
        if age < _MINUTE:
            return "just now"
        if age < _HOUR:
            return f"{int(age // _MINUTE)} min ago"
        words = self.short(int(moment))
        return f"at {words}" if ":" in words else f"on {words}"


def span_of_time(seconds: int) -> str:
    """A length of time in its two largest units: 42 s, 3 min 20 s, 2 h, 5 d 1 h."""
    parts = (
        (seconds // _DAY, "d"),
        (seconds % _DAY // _HOUR, "h"),
        (seconds % _HOUR // _MINUTE, "min"),
        (seconds % _MINUTE, "s"),
    )
    first = next((place for place, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count) or "0 s"


def size(count: int) -> str:
    """Bytes as people read them."""
    if count < 1000:
        return f"{count} B"
    amount = count / 1000
    for unit in ("kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            return f"{amount:.1f} {unit}" if amount < 10 else f"{amount:.0f} {unit}"
        amount /= 1000
    raise AssertionError


def number(count: int) -> str:
    """1,234"""
    return f"{count:,}"


def messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count:,} messages"


def pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count:,} pictures"


def changes(count: int) -> str:
    return "1 change waits" if count == 1 else f"{count:,} changes wait"


def keywords(flags: FlagSet) -> list[str]:
    """The keywords that people gave a message, sorted; not those that programs keep for themselves (RFC 5788, RFC 9051)."""
    return sorted((each for each in flags.keywords if each.lower() not in _PROGRAMS_KEYWORDS), key=str.casefold)


def folder_name(mailbox: Mailbox) -> str:
    """A mailbox's last level for people."""
    if mailbox.role is Role.INBOX:
        return "Inbox"
    return one_line(mailbox.leaf) or "(no name)"


def folder_path(mailbox: Mailbox) -> str:
    """A mailbox's whole name for people."""
    if mailbox.role is Role.INBOX:
        return "Inbox"
    if not mailbox.delimiter:
        return one_line(mailbox.name)
    return " / ".join(one_line(level) for level in mailbox.name.split(mailbox.delimiter))


def folder_count(mailbox: Mailbox, unread_below: int = 0) -> str:
    """The number behind a mailbox's name: what is unread, with what is so in folded ones below it; of Drafts all, of Trash none."""
    if mailbox.role is Role.TRASH:
        return ""
    count = mailbox.total if mailbox.role is Role.DRAFTS else mailbox.unread + unread_below
    return f"{count:,}" if count else ""


def connection(status: AccountStatus, clock: Clock, *, work_offline: bool = False) -> str:
    """An account's connection in words; where it is not fresh, since when."""
    stale = f", last up to date {clock.ago(status.synced_at)}" if status.synced_at else ", nothing fetched yet"
    if work_offline:
        return f"working offline{stale}"
    match status.state:
        case ConnectionState.ONLINE:
            if not status.synced_at:
                return "connected"
            return f"up to date {clock.ago(status.synced_at)}" if not status.activity else "connected"
        case ConnectionState.CONNECTING:
            return f"connecting{stale if status.synced_at else ''}"
        case ConnectionState.WAITING:
            left = int(status.next_at - clock.now())
            again = f", next try in {max(left, 1)} s" if 0 < left < 3600 else ""
            return f"no connection{stale}{again}"
        case ConnectionState.OFFLINE:
            return f"offline{stale}"
        case ConnectionState.SIGN_IN:
            return "can't sign in"
        case ConnectionState.INSECURE:
            return "no safe connection"
        case ConnectionState.UNKNOWN:
            return f"not connected yet{stale if status.synced_at else ''}"


def outbox_words(items: Sequence[OutboxItem]) -> str:
    """How much waits, and how much needs the user; empty where nothing does."""
    stuck = sum(item.state in (OutboxState.FAILED, OutboxState.UNKNOWN) for item in items)
    parts = [f"{len(items) - stuck} to be sent"] if len(items) > stuck else []
    if stuck:
        parts.append(f"{stuck} not sent")
    return " · ".join(parts)


def part_words(part: Part) -> str:
    """What a part is called: its name, or what it is where it has none. Safe to show."""
    return steady(shown_address(part.filename)).strip() or f"({kind_words(part.content_type)} without a name)"


def kind_words(content_type: str) -> str:
    """A media type as people call it."""
    known = _KINDS.get(content_type)
    if known is not None:
        return known
    kind, _, subtype = content_type.partition("/")
    if kind in ("image", "audio", "video") and subtype:
        word = {"image": "picture", "audio": "sound", "video": "film"}[kind]
        return f"{shown_address(subtype.removeprefix('x-')).upper()} {word}"
    return shown_address(content_type)


def left_in_outbox(items: Sequence[OutboxItem], now: float) -> str:
    """What to say of the outbox when termmail ends: the engine still sends what is due soon and nothing is known to be in its way."""
    going = sum(
        item.state is OutboxState.SENDING
        or (item.state is OutboxState.QUEUED and not item.sentence and item.not_before <= now + LINGER_SECONDS)
        for item in items
    )
    left = len(items) - going
    sentences = []
    if going:
        sentences.append("1 message still goes out." if going == 1 else f"{going:,} messages still go out.")
    if left:
        what = "1 message waits" if left == 1 else f"{left:,} messages wait"
        sentences.append(f"{what} in the outbox: `termmail outbox` says why, and `termmail outbox send` tries again.")
    return " ".join(sentences)
