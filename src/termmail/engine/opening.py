"""The store opened for a process that holds the engine's lock, and closed cleanly after it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence

from termmail.accounts.hardening import harden
from termmail.engine.log import close_log, open_log
from termmail.model.account import Account
from termmail.model.crash import crash_point
from termmail.model.errors import StorageFailed
from termmail.model.home import Home
from termmail.protocols import hook
from termmail.protocols.redact import Redactor
from termmail.store.ingest import Ingest
from termmail.store.outbox import Outbox
from termmail.store.purging import finish_purges
from termmail.store.reindex import rebuild_if_damaged
from termmail.store.uploads import sweep_uploads

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def opened_store(home: Home, redactor: Redactor, accounts: Sequence[Account] | None = None) -> Iterator[Ingest]:
    """For one pass: hardened, logged, repaired, and what a dead engine left behind seen to. `accounts` are those of the config file;
    None leaves them as they are known. Raises StorageFailed, StoreTooNew."""
    harden()
    handler = open_log(home, redactor)
    try:
        hook_commands()
        rebuild_if_damaged(home, locked=True)
        ingest = Ingest(home, checkpoints=True)
        try:
            begin(ingest, accounts)
            yield ingest
            end(ingest)
        finally:
            ingest.close()
    finally:
        close_log(handler)


def hook_commands() -> None:
    """Every command to a server is a point where a test may end the process."""
    hook.on_command = crash_point


def begin(ingest: Ingest, accounts: Sequence[Account] | None = None) -> None:
    """What a dead engine left behind is seen to. Before anything is sent: what it was just sending is not sent again (O2)."""
    outbox = Outbox(ingest.database)
    # Before rows of what was filed long ago go: a folder without a row is taken for a draft.
    outbox.sweep()
    outbox.recover()
    try:
        finish_purges(ingest.database)
    except StorageFailed as error:
        _log.warning("a removed account is not gone yet: %s %s", error.sentence, error.detail)
    unclean = ingest.begin_session()
    if accounts is not None:
        ingest.register_accounts(tuple(accounts))
    ingest.reset_running()
    ingest.sweep_leftovers(unclean=unclean)
    if unclean:
        sweep_uploads(ingest.database)


def end(ingest: Ingest) -> None:
    """All is done. Where the disk is too full to say so, the next start looks at the database, as after a crash."""
    try:
        ingest.end_session()
    except StorageFailed as error:
        _log.warning("a clean end could not be noted: %s", error.sentence)
