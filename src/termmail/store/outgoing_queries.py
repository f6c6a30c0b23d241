"""What front ends read of mail that is written here."""

from __future__ import annotations

from termmail.model.outgoing import Correspondent, Draft, OutboxItem
from termmail.store.correspondents import read_correspondents
from termmail.store.database import Database
from termmail.store.drafts import read_draft
from termmail.store.outbox_items import OUTBOX_COLUMNS, outbox_item, read_item

_CORRESPONDENTS = 20_000


class OutgoingQueries:
    """The part of `Queries` that is about drafts and the outbox."""

    _database: Database

    def outbox(self) -> list[OutboxItem]:
        """What is not yet sent, or sent and not yet filed, or failed: the oldest first."""
        return [
            outbox_item(row)
            for row in self._database.all(
                f"SELECT {OUTBOX_COLUMNS} FROM outbox o WHERE o.state <> 'filed' ORDER BY o.id"
            )
        ]

    def outbox_item(self, outbox_id: int) -> OutboxItem | None:
        """One item, for a week after it was filed; None where it was taken back or forgotten."""
        with self._database.read() as reader:
            return read_item(reader, outbox_id)

    def draft(self, draft_id: str) -> Draft:
        """A draft that is being written, as it was last saved. Raises DraftTaken where it is gone, StorageFailed."""
        return read_draft(self._database.home.drafts / draft_id)

    def correspondents(self) -> list[Correspondent]:
        """Whom one has written to or heard from, those written to first, then the latest."""
        return read_correspondents(self._database, _CORRESPONDENTS)
