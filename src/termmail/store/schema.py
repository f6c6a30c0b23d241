"""The database's schema as a list of migrations, each in a transaction of its own (L6)."""

from __future__ import annotations

import sqlite3

from termmail.model.errors import StoreTooNew

_FIRST = """
CREATE TABLE clock (id INTEGER PRIMARY KEY CHECK (id = 1), value INTEGER NOT NULL, tombstone_floor INTEGER NOT NULL) STRICT;
INSERT INTO clock VALUES (1, 1, 0);

CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE account (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    email TEXT NOT NULL,
    protocol TEXT NOT NULL,
    position INTEGER NOT NULL,
    hidden INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'unknown',
    sentence TEXT NOT NULL DEFAULT '',
    activity TEXT NOT NULL DEFAULT '',
    done INTEGER NOT NULL DEFAULT 0,
    total INTEGER NOT NULL DEFAULT 0,
    next_at REAL NOT NULL DEFAULT 0,
    synced_at REAL NOT NULL DEFAULT 0,
    plain INTEGER NOT NULL DEFAULT 0
) STRICT;

-- base_name, base_subscribed: what the server last said, or will create; name, subscribed, pending: with what waits on top.
CREATE TABLE mailbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    name TEXT NOT NULL,
    base_name TEXT NOT NULL,
    wire_name BLOB,
    delimiter TEXT NOT NULL,
    role TEXT NOT NULL DEFAULT '',
    selectable INTEGER NOT NULL DEFAULT 1,
    subscribed INTEGER NOT NULL DEFAULT 1,
    base_subscribed INTEGER NOT NULL DEFAULT 1,
    uidvalidity INTEGER,
    uidnext INTEGER,
    highestmodseq INTEGER,
    floor INTEGER,
    complete INTEGER NOT NULL DEFAULT 0,
    fresh_at INTEGER NOT NULL DEFAULT 0,
    status TEXT,
    refused_keywords TEXT NOT NULL DEFAULT '',
    candidates INTEGER NOT NULL DEFAULT 0,
    directory TEXT NOT NULL,
    total INTEGER NOT NULL DEFAULT 0,
    unread INTEGER NOT NULL DEFAULT 0,
    pending TEXT NOT NULL DEFAULT '',
    changed INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX mailbox_directory ON mailbox (account_id, lower(directory));
CREATE UNIQUE INDEX mailbox_wire_name ON mailbox (account_id, wire_name) WHERE wire_name IS NOT NULL;

-- size: what the server says, which is what a listing finds a message again by. raw_size: the bytes of the body that is here.
CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    message_id_header TEXT NOT NULL DEFAULT '',
    subject TEXT NOT NULL DEFAULT '',
    sender TEXT NOT NULL DEFAULT '',
    envelope BLOB NOT NULL,
    sent_at INTEGER,
    size INTEGER NOT NULL,
    raw_size INTEGER,
    sha256 BLOB,
    email_id TEXT NOT NULL DEFAULT '',
    has_attachments INTEGER NOT NULL DEFAULT 0,
    preview TEXT NOT NULL DEFAULT '',
    body_state TEXT NOT NULL DEFAULT 'missing',
    problem TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX message_by_header ON message (message_id_header, account_id);
CREATE INDEX message_by_sha256 ON message (sha256) WHERE sha256 IS NOT NULL;
CREATE INDEX message_by_email_id ON message (email_id) WHERE email_id <> '';

-- mailbox_id, flags, keywords: what the user sees. base_*: what the server last confirmed. local_keywords: what it will not keep.
CREATE TABLE placement (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id INTEGER NOT NULL REFERENCES message,
    mailbox_id INTEGER REFERENCES mailbox,
    base_mailbox_id INTEGER REFERENCES mailbox,
    uid INTEGER,
    base_flags INTEGER NOT NULL DEFAULT 0,
    base_keywords TEXT NOT NULL DEFAULT '',
    local_keywords TEXT NOT NULL DEFAULT '',
    flags INTEGER NOT NULL DEFAULT 0,
    keywords TEXT NOT NULL DEFAULT '',
    received_at INTEGER NOT NULL,
    pending INTEGER NOT NULL DEFAULT 0,
    file_mailbox_id INTEGER,
    file_name TEXT,
    file_stale INTEGER NOT NULL DEFAULT 0,
    changed INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX placement_uid ON placement (base_mailbox_id, uid);
CREATE INDEX placement_bodyless ON placement (base_mailbox_id, uid) WHERE file_name IS NULL AND uid IS NOT NULL;
CREATE INDEX placement_list ON placement (mailbox_id, received_at, id);
CREATE INDEX placement_unread ON placement (mailbox_id) WHERE flags & 1 = 0;
CREATE INDEX placement_changed ON placement (mailbox_id, changed);
CREATE INDEX placement_message ON placement (message_id);
CREATE INDEX placement_stale ON placement (file_stale) WHERE file_stale = 1;

CREATE TABLE tombstone (
    changed INTEGER NOT NULL,
    mailbox_id INTEGER NOT NULL,
    placement_id INTEGER NOT NULL
) STRICT;
CREATE INDEX tombstone_changed ON tombstone (mailbox_id, changed);

CREATE TABLE mailbox_tombstone (mailbox_id INTEGER PRIMARY KEY, changed INTEGER NOT NULL) STRICT;

-- Arrivals are counted by `insert_placements`, once a batch: a trigger for each row takes a third of the time of a first sync.
CREATE TRIGGER placement_leaves AFTER DELETE ON placement WHEN OLD.mailbox_id IS NOT NULL BEGIN
    UPDATE mailbox SET total = total - 1, unread = unread - (OLD.flags & 1 = 0), changed = (SELECT value FROM clock)
        WHERE id = OLD.mailbox_id;
    INSERT INTO tombstone VALUES ((SELECT value FROM clock), OLD.mailbox_id, OLD.id);
END;
CREATE TRIGGER placement_moves AFTER UPDATE OF mailbox_id ON placement WHEN NEW.mailbox_id IS NOT OLD.mailbox_id BEGIN
    UPDATE mailbox SET total = total - 1, unread = unread - (OLD.flags & 1 = 0), changed = (SELECT value FROM clock)
        WHERE id = OLD.mailbox_id;
    UPDATE mailbox SET total = total + 1, unread = unread + (NEW.flags & 1 = 0), changed = (SELECT value FROM clock)
        WHERE id = NEW.mailbox_id;
    INSERT INTO tombstone SELECT (SELECT value FROM clock), OLD.mailbox_id, OLD.id WHERE OLD.mailbox_id IS NOT NULL;
END;
CREATE TRIGGER placement_seen AFTER UPDATE OF flags ON placement
    WHEN NEW.mailbox_id IS OLD.mailbox_id AND (NEW.flags & 1) <> (OLD.flags & 1) BEGIN
    UPDATE mailbox SET unread = unread + (NEW.flags & 1 = 0) - (OLD.flags & 1 = 0), changed = (SELECT value FROM clock)
        WHERE id = NEW.mailbox_id;
END;
CREATE TRIGGER mailbox_goes AFTER DELETE ON mailbox BEGIN
    INSERT OR REPLACE INTO mailbox_tombstone VALUES (OLD.id, (SELECT value FROM clock));
END;

-- placement_id: the message it is about, for a copy the new one. source_id: what a copy is made of. mailbox_id: the target, or the
-- mailbox itself where there is no message.
CREATE TABLE operation (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    placement_id INTEGER,
    source_id INTEGER,
    mailbox_id INTEGER,
    payload TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at REAL NOT NULL DEFAULT 0,
    last_error TEXT NOT NULL DEFAULT '',
    created_at REAL NOT NULL
) STRICT;
CREATE INDEX operation_active ON operation (account_id, id) WHERE state IN ('pending', 'running');
CREATE INDEX operation_placement ON operation (placement_id) WHERE state IN ('pending', 'running');
CREATE INDEX operation_source ON operation (source_id) WHERE state IN ('pending', 'running') AND source_id IS NOT NULL;
CREATE INDEX operation_mailbox ON operation (mailbox_id) WHERE state IN ('pending', 'running') AND mailbox_id IS NOT NULL;

CREATE TABLE undo (id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, sentence TEXT NOT NULL, inverses TEXT NOT NULL) STRICT;

CREATE TABLE request (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    account TEXT NOT NULL,
    mailbox_id INTEGER,
    placement_id INTEGER,
    state TEXT NOT NULL DEFAULT 'waiting',
    sentence TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX request_waiting ON request (id) WHERE state = 'waiting';

CREATE TABLE problem (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    account TEXT NOT NULL,
    mailbox TEXT NOT NULL,
    placement_id INTEGER,
    sentence TEXT NOT NULL,
    detail TEXT NOT NULL,
    seen INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE rendered (
    id INTEGER PRIMARY KEY,
    message_id INTEGER NOT NULL REFERENCES message ON DELETE CASCADE,
    key TEXT NOT NULL,
    data BLOB NOT NULL,
    UNIQUE (message_id, key)
) STRICT;

-- Files that no row names any more; removed after the commit that wrote the line, or at the next start.
CREATE TABLE doomed_file (path TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;

-- Bodies of messages that vanished in bulk from a server, kept for a while (S6).
CREATE TABLE kept_body (
    path TEXT PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    message_id_header TEXT NOT NULL,
    size INTEGER NOT NULL,
    sha256 BLOB,
    raw_size INTEGER,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX kept_body_by_header ON kept_body (message_id_header, size);
"""

_MAILDROPS = """
-- Mail that was downloaded from POP3 maildrops. placement_id: where it is here; the row may be gone. deleted: by the user, for good.
-- doubtful: fewer bytes came than the server had said.
CREATE TABLE uidl (
    id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    uidl TEXT NOT NULL,
    size INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    downloaded_at INTEGER NOT NULL,
    placement_id INTEGER,
    deleted INTEGER NOT NULL DEFAULT 0,
    doubtful INTEGER NOT NULL DEFAULT 0,
    UNIQUE (account_id, uidl)
) STRICT;
CREATE INDEX uidl_by_sha256 ON uidl (sha256, account_id);
CREATE INDEX uidl_by_placement ON uidl (placement_id) WHERE placement_id IS NOT NULL;
"""

_OUTGOING = """
-- The file in `mail/.uploads` of a message that was made here and has no file in its mailbox yet.
ALTER TABLE placement ADD COLUMN upload TEXT;
CREATE INDEX placement_upload ON placement (id) WHERE upload IS NOT NULL;

-- recipients: JSON of model.outgoing.OutboxRecipient. copy: whether the sent copy is `due`. answers, forwards: Message-ID headers.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'queued',
    folder TEXT NOT NULL UNIQUE,
    sender TEXT NOT NULL,
    recipients TEXT NOT NULL,
    subject TEXT NOT NULL,
    message_id_header TEXT NOT NULL,
    size INTEGER NOT NULL,
    eight_bit INTEGER NOT NULL,
    utf8 INTEGER NOT NULL,
    editable INTEGER NOT NULL,
    answers TEXT NOT NULL DEFAULT '',
    forwards TEXT NOT NULL DEFAULT '',
    created_at REAL NOT NULL,
    not_before REAL NOT NULL,
    next_at REAL NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    sentence TEXT NOT NULL DEFAULT '',
    copy TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX outbox_open ON outbox (account, id) WHERE state <> 'filed';

-- Drafts that became a message in a mailbox; their folders go after the commit that wrote the line.
CREATE TABLE finished_draft (draft TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;

CREATE TABLE correspondent (
    address TEXT PRIMARY KEY,
    shown TEXT NOT NULL,
    name TEXT NOT NULL,
    written_count INTEGER NOT NULL DEFAULT 0,
    written_at INTEGER NOT NULL DEFAULT 0,
    heard_count INTEGER NOT NULL DEFAULT 0,
    heard_at INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
"""

_STOPPING = """
-- Whether the user wants an item stopped that is being sent.
ALTER TABLE outbox ADD COLUMN stop INTEGER NOT NULL DEFAULT 0;
"""

_AMOUNTS = """
-- How many bytes of what runs have come.
ALTER TABLE account ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
"""

_FILES = """
CREATE INDEX placement_file ON placement (file_mailbox_id) WHERE file_name IS NOT NULL;
"""

_SAVED_DRAFTS = """
-- What a draft that is written on was last saved as in Drafts. Its own file says so only after the commit.
CREATE TABLE saved_draft (draft TEXT PRIMARY KEY, placement_id INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"""

MIGRATIONS: tuple[str, ...] = (_FIRST, _MAILDROPS, _OUTGOING, _STOPPING, _AMOUNTS, _FILES, _SAVED_DRAFTS)
"""Each brings `user_version` from its index to its index + 1. Released ones are never edited."""


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the database to this program's schema, one transaction a step. Raises StoreTooNew for a newer one."""
    version = _version(connection)
    if version > len(MIGRATIONS):
        raise StoreTooNew(
            f"The mail database was written by a newer termmail (schema {version}, this one knows {len(MIGRATIONS)}). "
            "Install the newer version again."
        )
    while version < len(MIGRATIONS):
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have migrated while this one waited for the lock.
            version = _version(connection)
            if version < len(MIGRATIONS):
                for statement in _statements(MIGRATIONS[version]):
                    connection.execute(statement)
                version += 1
                connection.execute(f"PRAGMA user_version = {version}")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def schema_version(connection: sqlite3.Connection) -> int:
    """The version of the schema that the file has now."""
    return _version(connection)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _statements(script: str) -> list[str]:
    """Split a script into statements; `executescript` would commit in between."""
    statements: list[str] = []
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if line.rstrip().endswith(";") and sqlite3.complete_statement(pending):
            statements.append(pending)
            pending = ""
    return [statement for statement in statements if statement.strip()]
