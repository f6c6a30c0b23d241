"""Where termmail's files lie."""

from __future__ import annotations

from pathlib import Path

import msgspec


class Home(msgspec.Struct, frozen=True):
    """The folders of one termmail: `--home DIR` puts all four under DIR, otherwise the platform says (platformdirs)."""

    config: Path
    data: Path
    state: Path
    runtime: Path

    @classmethod
    def under(cls, folder: Path) -> Home:
        """Everything under one folder."""
        return cls(config=folder, data=folder, state=folder / "state", runtime=folder / "run")

    @property
    def config_file(self) -> Path:
        return self.config / "config.toml"

    @property
    def database(self) -> Path:
        return self.data / "termmail.db"

    @property
    def mail(self) -> Path:
        """The Maildir trees: `mail/<account>/<mailbox>/{cur,new,tmp}`."""
        return self.data / "mail"

    @property
    def drafts(self) -> Path:
        """What is being written: a folder for each draft."""
        return self.data / "drafts"

    @property
    def outbox(self) -> Path:
        """What waits to be sent: a folder for each message."""
        return self.data / "outbox"

    @property
    def set_aside(self) -> Path:
        """Mail that termmail does not know what to do with, in folders as they were found; it is never deleted."""
        return self.data / "set-aside"

    @property
    def uploads(self) -> Path:
        """Messages that were made here and are not yet in the mailbox they belong in. No account's folder begins with a dot."""
        return self.mail / ".uploads"

    @property
    def log_file(self) -> Path:
        return self.state / "termmail.log"

    @property
    def lock_file(self) -> Path:
        """Held by the engine; there is one engine per home (L7)."""
        return self.data / "engine.lock"

    @property
    def outbox_lock_file(self) -> Path:
        """Held for the moment in which a message in the outbox changes, in its note and in its row."""
        return self.data / "outbox.lock"

    @property
    def socket(self) -> Path:
        """The engine's Unix socket: wake-ups and session passwords only."""
        return self.runtime / "engine.sock"
