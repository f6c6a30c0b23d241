"""LIST, STATUS, and commands on mailboxes."""

from __future__ import annotations

from termmail.model.errors import ServerRefused, TermmailError
from termmail.model.remote import MailboxListing, MailboxStatus
from termmail.protocols.arguments import check_argument
from termmail.protocols.imap import listing, names
from termmail.protocols.imap.core import Core
from termmail.protocols.imap.listing import Row
from termmail.protocols.imap.responses import Malformed, Response

_AT_ONCE = 50


class _Listing:
    """Takes LIST, LSUB and STATUS rows."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.rows: list[Row] = []
        self.subscribed: set[bytes] = set()
        self.statuses: dict[bytes, MailboxStatus] = {}
        self.skipped: list[str] = []

    def take(self, response: Response) -> bool:
        try:
            if response.kind == "LIST":
                self.rows.append(listing.parse_row(response))
            elif response.kind == "LSUB":
                row = listing.parse_row(response)
                if b"\\NOSELECT" not in row.attributes:
                    self.subscribed.add(listing.keyed(row.wire_name))
            elif response.kind == "STATUS":
                wire_name, status = listing.parse_status_row(response)
                self.statuses[listing.keyed(wire_name)] = status
            else:
                return False
        except Malformed as error:
            self._core.trace(f"a row of {response.kind} can't be read: {error}")
            if response.kind == "LIST":
                words = self._core.server_words(response.text)
                self.skipped.append(f"A folder in the listing of {self._core.host} can't be read{words}.")
        return True


def list_mailboxes(core: Core, *, with_status: bool) -> MailboxListing:
    """See ImapSession.list_mailboxes."""
    found = _Listing(core)
    extended = core.has("LIST-EXTENDED")
    status_told = with_status and extended and core.has("LIST-STATUS")
    options = [b"SUBSCRIBED"]
    if core.has("SPECIAL-USE"):
        options.append(b"SPECIAL-USE")
    if status_told:
        options.append(b"STATUS " + listing.status_items(core.capabilities))
    lines = [b'"" "*"' + (b" RETURN (%s)" % b" ".join(options) if extended else b"")]
    _all(core, "LIST", lines, found)
    if not extended:
        _all(core, "LSUB", [b'"" "*"'], found)
    result = _assemble(core, found, extended)
    if with_status and not status_told:
        selectable = [mailbox.wire_name for mailbox in result.mailboxes if mailbox.selectable]
        items = listing.status_items(core.capabilities)
        lines = [names.quoted(name) + b" " + items for name in selectable if not set(name) & set(b"\r\n\0")]
        for start in range(0, len(lines), _AT_ONCE):
            _all(core, "STATUS", lines[start : start + _AT_ONCE], found, refusal_is_fatal=False)
        result = _assemble(core, found, extended)
    return result


def _all(core: Core, verb: str, lines: list[bytes], found: _Listing, *, refusal_is_fatal: bool = True) -> None:
    refusal: TermmailError | None = None
    for tag in core.begin_many(verb, lines):
        status = core.finish(tag, verb, found.take)
        if status.kind == "BAD" or (status.kind == "NO" and refusal_is_fatal):
            refusal = refusal or core.refusal(status, verb, "to list the folders")
    if refusal is not None:
        raise refusal


def _assemble(core: Core, found: _Listing, extended: bool) -> MailboxListing:
    return listing.assemble(
        found.rows,
        subscribed=None if extended else found.subscribed,
        statuses=found.statuses,
        roles_by_name=not core.has("SPECIAL-USE"),
        skipped=found.skipped,
    )


def status(core: Core, wire_name: bytes) -> MailboxStatus:
    """See ImapSession.status."""
    found = _Listing(core)
    arguments = names.quoted(wire_name), listing.status_items(core.capabilities)
    core.command("STATUS", *arguments, take=found.take, what="to say how much is in the folder")
    told = found.statuses.get(listing.keyed(wire_name))
    if told is None and len(found.statuses) == 1:
        told = next(iter(found.statuses.values()))
    if told is None:
        raise ServerRefused(f"{core.host} did not say how much is in the folder.")
    return told


def create(core: Core, wire_name: bytes) -> None:
    """See ImapSession.create."""
    name = _argument(wire_name)
    core.through_client("CREATE", lambda: core.client.create_folder(name), "to create the folder")


def delete(core: Core, wire_name: bytes) -> None:
    """See ImapSession.delete."""
    name = _argument(wire_name)
    core.through_client("DELETE", lambda: core.client.delete_folder(name), "to delete the folder")


def rename(core: Core, old: bytes, new: bytes) -> None:
    """See ImapSession.rename."""
    before, after = _argument(old), _argument(new)
    core.through_client("RENAME", lambda: core.client.rename_folder(before, after), "to rename the folder")


def subscribe(core: Core, wire_name: bytes) -> None:
    """See ImapSession.subscribe."""
    name = _argument(wire_name)
    core.through_client("SUBSCRIBE", lambda: core.client.subscribe_folder(name), "to subscribe to the folder")


def unsubscribe(core: Core, wire_name: bytes) -> None:
    """See ImapSession.unsubscribe."""
    name = _argument(wire_name)
    core.through_client("UNSUBSCRIBE", lambda: core.client.unsubscribe_folder(name), "to unsubscribe from the folder")


def _argument(wire_name: bytes) -> str:
    """imapclient quotes it, and the link sends it as Latin-1, so that the bytes stay what they are. Raises UnsafeArgument."""
    return check_argument(wire_name, "the folder's name").decode("latin-1")


def notify_start(core: Core) -> bool:
    """See ImapSession.notify_start."""
    if not core.has("NOTIFY"):
        return False
    events = b"(MessageNew MessageExpunge FlagChange)"
    core.command(
        "NOTIFY",
        b"SET (selected (MessageNew (UID FLAGS) MessageExpunge FlagChange)) (personal %s)" % events,
        what="to tell of changes",
    )
    return True
