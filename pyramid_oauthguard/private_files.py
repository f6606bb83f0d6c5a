"""Files and folders that only their owner may use: SQLite databases, and the folders that they are in."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path
from typing import Final

__all__ = ["make_private_folder", "protect_database"]

logger = logging.getLogger("pyramid_oauthguard")

_FILE_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700
#: What SQLite has beside a database; each can hold what the database does. It gives a new one the mode of the database.
_COMPANIONS: Final = ("-wal", "-shm", "-journal")


def make_private_folder(folder: Path) -> bool:
    """Make a folder, and those above it that are missing, with mode 0700. Leaves those that are there as they are.

    :return: whether it was made now.
    :raises OSError: it can't be made.
    """
    if folder.is_dir():
        return False
    make_private_folder(folder.parent)
    try:
        folder.mkdir(mode=_FOLDER_MODE)
    except FileExistsError:
        if not folder.is_dir():
            raise
        return False
    folder.chmod(_FOLDER_MODE)  # whatever the umask is
    return True


def protect_database(file: Path) -> None:
    """Give a SQLite database mode 0600, and what SQLite has beside it. One that is missing is made, so that it is never open
    to others, not even for a moment.

    A file of another user is left as it is, and the log says so. Where a file can't be made, SQLite says why.
    """
    if os.name != "posix":
        return  # the folders of a Windows user are private by their access lists
    file = Path(os.path.realpath(file))  # SQLite follows a link, also to a file that it makes
    try:
        number = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, _FILE_MODE)
    except FileExistsError:
        for path in (file, *(file.with_name(file.name + suffix) for suffix in _COMPANIONS)):
            _close_to_others(path)
    except OSError:
        return
    else:
        os.fchmod(number, _FILE_MODE)  # whatever the umask is
        os.close(number)


def _close_to_others(path: Path) -> None:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return  # not there, or gone in between
    if not mode & 0o077:
        return
    try:
        path.chmod(mode & stat.S_IRWXU)
        logger.warning("%s was open to others (mode %03o): it has mode %03o now", path, mode, mode & stat.S_IRWXU)
    except OSError:
        logger.warning("%s is open to others (mode %03o), and another user's: chmod 600 it", path, mode)
