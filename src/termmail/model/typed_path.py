"""Paths as people type them."""

from __future__ import annotations

from pathlib import Path

from termmail.model.errors import UnusablePath


def typed_path(text: str) -> Path:
    """The absolute path that is meant, where ~ and ~NAME are home folders. Raises UnusablePath where there is no such user."""
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise UnusablePath(
            "The path begins with ~ and a name that no user here has. If a file is called so, write ./ before it."
        ) from error
