"""Finding the home's folders and keeping them private (L1)."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from termmail.model.errors import ConfigError, StorageFailed
from termmail.model.home import Home
from termmail.model.typed_path import typed_path

HOME_VARIABLE = "TERMMAIL_HOME"
"""The environment variable that stands for `--home`."""


def find_home(folder: str | Path | None = None) -> Home:
    """The home under `folder`, else under $TERMMAIL_HOME, else where the platform puts such files. Touches nothing.

    Raises UnusablePath.
    """
    chosen = folder or os.environ.get(HOME_VARIABLE)
    if chosen:
        return Home.under(typed_path(str(chosen)))
    import platformdirs

    state = platformdirs.user_state_path("termmail")
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    return Home(
        config=platformdirs.user_config_path("termmail"),
        data=platformdirs.user_data_path("termmail"),
        state=state,
        runtime=Path(runtime) / "termmail" if runtime and Path(runtime).is_dir() else state / "run",
    )


def prepare_home(home: Home) -> list[str]:
    """Make the home's folders, 0700, and take away what an existing one, or a file of ours in it, allows to others.

    Also sets the process's umask to 077. Returns one sentence for each thing that was too open and has been closed. Raises
    StorageFailed where a folder cannot be made, ConfigError where one is shared with other things and open to others:
    closing that would reach beyond termmail's own files.
    """
    os.umask(0o077)
    sentences = []
    for folder in dict.fromkeys((home.config, home.data, home.state, home.runtime)):
        sentence = _close_folder(folder, home)
        if sentence:
            sentences.append(sentence)
    database = home.database
    for path in (
        home.config_file,
        database,
        database.with_name(database.name + "-wal"),
        database.with_name(database.name + "-shm"),
        home.log_file,
    ):
        sentence = _close_file(path)
        if sentence:
            sentences.append(sentence)
    return sentences


def _close_folder(folder: Path, home: Home) -> str:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = folder.stat()
        loose = stat.S_IMODE(found.st_mode) & 0o077
        if not loose:
            return ""
        if found.st_uid != os.geteuid() or _holds_other_things(folder, home):
            raise ConfigError(
                f"{folder} is open to other users and is not a folder of termmail's own."
                " Give --home (or TERMMAIL_HOME) a folder that holds nothing else."
            )
        folder.chmod(0o700)
    except OSError as error:
        raise StorageFailed(
            f"{folder} cannot be used as a folder: {error.strerror}. Choose another with --home."
        ) from error
    return f"{folder} was open to other users; now it is private (0700)."


def _holds_other_things(folder: Path, home: Home) -> bool:
    if folder in (home.state, home.runtime):
        return False
    return not (home.config_file.exists() or home.database.exists()) and any(folder.iterdir())


def _close_file(path: Path) -> str:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if not mode & 0o077:
            return ""
        path.chmod(mode & 0o700)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise StorageFailed(f"{path} is open to other users and cannot be made private: {error.strerror}.") from error
    return f"{path} was open to other users; now it is private."
