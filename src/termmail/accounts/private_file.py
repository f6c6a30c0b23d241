"""Replacing a file as a whole: private, durable, never half written."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from termmail.model.errors import StorageFailed


def replace_file(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, 0600: either the old file stays or the new one is there whole, also after a crash.

    A symbolic link stays one, and what it points to is replaced. Raises StorageFailed.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise StorageFailed(f"{path} could not be written: {error.strerror}. Nothing was changed.") from error
