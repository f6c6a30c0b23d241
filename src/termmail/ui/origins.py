"""Where the messages that are opened come from, judged by whom the reader knows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from termmail.model.account import Account, Protocol, Security
from termmail.model.message import Address
from termmail.model.origin import MailOwner, Origin
from termmail.store.queries import Queries
from termmail.ui.journey_lines import ShownJourney

if TYPE_CHECKING:
    from termmail.mime.known_senders import KnownSenders

_KNOWN_FOR = 600.0
_HEADER = 256 * 1024


class Origins:
    """May be used from several threads. Whom the reader knows is read again after ten minutes."""

    def __init__(self, queries: Queries, accounts: Sequence[Account]) -> None:
        self._queries = queries
        self._known: KnownSenders | None = None
        self._known_until = 0.0
        self.set_accounts(accounts)

    def set_accounts(self, accounts: Sequence[Account]) -> None:
        """The accounts are others from now on."""
        self._accounts = {account.name: account for account in accounts}
        self._owners = {account.name: mail_owner(account) for account in accounts}
        self._known = None

    def of(self, placement_id: int) -> Origin | None:
        """Where a message comes from; None where it is gone. Raises StorageFailed."""
        # Not needed for the first frame.
        from termmail.mime.origin import origin

        row = self._queries.row(placement_id)
        envelope = self._queries.envelope(placement_id)
        if row is None or envelope is None:
            return None
        owner = self._owners.get(row.account, MailOwner())
        return origin(envelope, self._queries.raw_start(placement_id, _HEADER), known=self._senders(), owner=owner)

    def journey(self, placement_id: int) -> ShownJourney | None:
        """The way a message took; None where its bytes are not here. Raises StorageFailed."""
        from termmail.mime.journey import journey

        header = self._queries.raw_start(placement_id, _HEADER)
        row = self._queries.row(placement_id)
        if header is None or row is None:
            return None
        owner = self.owner_of(row.account)
        account = self._accounts.get(row.account)
        return ShownJourney(
            way=journey(header, own_hosts=(*owner.hosts, owner.authserv_id)),
            writer=row.from_[0] if row.from_ else None,
            fetched_from="" if account is None else account.incoming.host,
            fetched_by="" if account is None else "IMAP" if account.protocol is Protocol.IMAP else "POP3",
            fetched_securely=account is not None and account.incoming.security is not Security.NONE,
        )

    def owner_of(self, account: str) -> MailOwner:
        """Whose mail an account's is."""
        return self._owners.get(account, MailOwner())

    def _senders(self) -> KnownSenders:
        from termmail.mime.known_senders import KnownSenders

        known = self._known
        if known is None or time.monotonic() > self._known_until:
            own = [address for owner in self._owners.values() for address in owner.addresses]
            self._known = known = KnownSenders(self._queries.correspondents(), own)
            self._known_until = time.monotonic() + _KNOWN_FOR
        return known


def mail_owner(account: Account) -> MailOwner:
    """What there is to know of an account to judge its mail."""
    return MailOwner(
        tuple(Address(identity.name, identity.address) for identity in account.all_identities),
        (account.incoming.host,),
        account.authserv_id,
    )
