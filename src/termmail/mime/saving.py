"""Attachments to files: never over something that is there, never through a link, never half (A2)."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from termmail.mime.save_names import numbered
from termmail.model.errors import StorageFailed

_MOST_OF_ONE_NAME = 10_000
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def save_file(folder: Path, name: str, data: bytes) -> Path:
    """Write `data` as a new private file (0600) into `folder`, which is there, and return where it is.

    `name` is one that `save_name` made; where it is taken the file becomes "name (2)". After an error nothing of it is left. Raises
    StorageFailed.
    """
    try:
        directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise StorageFailed(f"Nothing was saved: {folder} can't be opened as a folder ({error.strerror}).") from error
    try:
        return folder / _save(directory, name, data)
    except OSError as error:
        raise StorageFailed(
            f"{name} could not be saved in {folder}: {error.strerror}. Nothing of it was kept."
        ) from error
    finally:
        os.close(directory)


def _save(directory: int, name: str, data: bytes) -> str:
    temporary = f".termmail-{secrets.token_hex(8)}.part"
    descriptor = os.open(temporary, _NEW, 0o600, dir_fd=directory)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        return _renamed(directory, temporary, name)
    except BaseException:
        os.unlink(temporary, dir_fd=directory)
        raise


def _renamed(directory: int, temporary: str, name: str) -> str:
    """Give the file the first name that is free. An empty file takes the name first, so that nothing is ever replaced."""
    for count in range(1, _MOST_OF_ONE_NAME):
        wanted = numbered(name, count)
        try:
            os.close(os.open(wanted, _NEW, 0o600, dir_fd=directory))
        except FileExistsError:
            continue
        try:
            os.rename(temporary, wanted, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            os.unlink(wanted, dir_fd=directory)
            raise
        return wanted
    raise FileExistsError(17, "there are too many files of that name")
