"""The engine's way into the store: what servers say becomes base rows and files."""

from __future__ import annotations

import time
from pathlib import Path

from termmail.model.home import Home
from termmail.model.status import AccountStatus, Request, RequestKind, RequestState
from termmail.store.bodies import BodySpool
from termmail.store.codec import column_text
from termmail.store.database import CHANGED_AT_ONCE, LET_OTHERS_WRITE, Database
from termmail.store.mailboxes import UNSET
from termmail.store.messages import MessageIngest, uid_ranges
from termmail.store.uploads import UploadIngest

__all__ = ["UNSET", "BodySpool", "Ingest", "uid_ranges"]

_PROBLEMS_KEPT = 1000
_SAME_PROBLEM_SECONDS = 3600
_RENDERED_KEPT = 2000
_COMMITS_TOLD = 100_000


class Ingest(MessageIngest, UploadIngest):
    """Writes what servers say. One per process; thread-safe, one transaction at a time.

    `checkpoints` is True in the engine, which alone checkpoints the write-ahead log (L4).
    """

    def __init__(self, home: Home, *, checkpoints: bool = False) -> None:
        self._home = home
        self._database = Database(home, checkpoints=checkpoints)
        self._folders: dict[int, tuple[Path, int | None]] = {}
        self._adopting: dict[int, int] = {}

    @property
    def database(self) -> Database:
        """The connections, for the rooms of the engine that share them (`Journal`)."""
        return self._database

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    def set_status(self, status: AccountStatus) -> None:
        """Write an account's status row for the front ends; `pending_operations` is not stored but counted when read."""
        with self._database.write(durable=False) as connection:
            connection.execute(
                "UPDATE account SET state = ?, sentence = ?, activity = ?, done = ?, total = ?, next_at = ?,"
                " synced_at = max(synced_at, ?), plain = ?, size = ? WHERE name = ?",
                (
                    status.state.value, status.sentence, status.activity, status.done, status.total, status.next_at,
                    status.synced_at, status.plain, status.size, status.account,
                ),
            )  # fmt: skip

    def add_problem(
        self, account: str, sentence: str, *, detail: str = "", mailbox: str = "", placement_id: int | None = None
    ) -> None:
        """Add a line to "what went wrong lately"; the same sentence within an hour only moves up."""
        now = time.time()
        sentence, detail, mailbox = column_text(sentence), column_text(detail), column_text(mailbox)
        with self._database.write(durable=False) as connection:
            again = connection.execute(
                "UPDATE problem SET at = ? WHERE account = ? AND mailbox = ? AND sentence = ? AND at > ?",
                (now, account, mailbox, sentence, now - _SAME_PROBLEM_SECONDS),
            ).rowcount
            if not again:
                connection.execute(
                    "INSERT INTO problem (at, account, mailbox, placement_id, sentence, detail) VALUES (?, ?, ?, ?, ?, ?)",
                    (now, account, mailbox, placement_id, sentence, detail),
                )
                connection.execute(
                    "DELETE FROM problem WHERE id <= (SELECT max(id) FROM problem) - ?", (_PROBLEMS_KEPT,)
                )

    def take_requests(self) -> list[Request]:
        """The waiting requests, oldest first; they are running from now on."""
        if self._database.one("SELECT 1 FROM request WHERE state = 'waiting' LIMIT 1") is None:
            return []
        with self._database.write() as connection:
            rows = connection.execute(
                "SELECT id, kind, account, mailbox_id, placement_id FROM request WHERE state = 'waiting' ORDER BY id"
            ).fetchall()
            connection.execute("UPDATE request SET state = 'running' WHERE state = 'waiting'")
        return [Request(row[0], RequestKind(row[1]), row[2], row[3], row[4], RequestState.RUNNING, "") for row in rows]

    def waiting_bodies(self, account: str) -> list[Request]:
        """The requests of an account for bodies that nobody has taken yet."""
        rows = self._database.all(
            "SELECT id, kind, account, mailbox_id, placement_id FROM request"
            " WHERE state = 'waiting' AND kind = 'body' AND account = ? ORDER BY id",
            (account,),
        )
        return [Request(row[0], RequestKind(row[1]), row[2], row[3], row[4], RequestState.WAITING, "") for row in rows]

    def finish_request(self, request_id: int, state: RequestState, sentence: str = "") -> None:
        """Say how a request ended."""
        with self._database.write(durable=False) as connection:
            connection.execute(
                "UPDATE request SET state = ?, sentence = ? WHERE id = ?", (state.value, sentence, request_id)
            )

    def reset_running(self) -> None:
        """At the engine's start: requests that a dead engine had taken wait again; what nobody needs any more is forgotten."""
        with self._database.write() as connection:
            connection.execute("UPDATE request SET state = 'waiting' WHERE state = 'running'")
            connection.execute("DELETE FROM request WHERE at < ?", (time.time() - 86400,))
            connection.execute(
                "UPDATE account SET state = 'unknown', activity = '', done = 0, total = 0, size = 0, next_at = 0"
                " WHERE state <> 'sign in'"
            )
            # A front end that has not looked for this many commits loads its list anew.
            connection.execute("UPDATE clock SET tombstone_floor = max(tombstone_floor, value - ?)", (_COMMITS_TOLD,))
        week = time.time() - 7 * 86400
        self._delete_rows("operation", "state IN ('done', 'cancelled') AND created_at < ?", week)
        self._delete_rows("rendered", "id <= (SELECT max(id) FROM rendered) - ?", _RENDERED_KEPT)
        self._delete_rows("tombstone", "changed <= (SELECT tombstone_floor FROM clock)")

    def _delete_rows(self, table: str, condition: str, *values: float) -> None:
        """In short transactions, of a table that may have very many."""
        rows = self._database.all(f"SELECT rowid FROM {table} WHERE {condition}", values)
        for start in range(0, len(rows), CHANGED_AT_ONCE):
            with self._database.write(durable=False) as connection:
                connection.executemany(f"DELETE FROM {table} WHERE rowid = ?", rows[start : start + CHANGED_AT_ONCE])
            time.sleep(LET_OTHERS_WRITE)

    def work_offline(self) -> bool:
        """Whether the user has switched to working offline."""
        return self._database.one("SELECT value FROM setting WHERE key = 'work_offline'") is not None

    def begin_session(self) -> bool:
        """Mark that an engine works on the store; True if the last one did not end cleanly."""
        with self._database.write() as connection:
            unclean = connection.execute("SELECT 1 FROM setting WHERE key = 'engine_running'").fetchone() is not None
            connection.execute("INSERT OR REPLACE INTO setting VALUES ('engine_running', ?)", (str(int(time.time())),))
        return unclean

    def end_session(self) -> None:
        """The engine ends cleanly."""
        with self._database.write() as connection:
            connection.execute("DELETE FROM setting WHERE key = 'engine_running'")
