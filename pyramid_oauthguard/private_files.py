"""Files that hold keys, secrets or everything: how they are read, and how they are kept from other users."""

from __future__ import annotations

import logging
import os
import stat
from codecs import BOM_UTF8
from pathlib import Path
from typing import Final

__all__ = ["DIFFERENT_IN_KEYS", "make_private_folder", "protect_database", "read_secret_file"]

logger = logging.getLogger("pyramid_oauthguard")

_FILE_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700
#: What SQLite has beside a database; each can hold what the database does. It gives a new one the mode of the database.
_COMPANIONS: Final = ("-wal", "-shm", "-journal")
#: Of 32 random bytes, raw or in hexadecimal, fewer than 8 are different once in 10^18 files.
DIFFERENT_IN_KEYS: Final = 8
_LARGEST_BYTES: Final = 1_048_576
#: A FIFO or a device in the file's place must neither hold us for ever nor become our terminal.
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_CLOEXEC", 0)
#: White space, and what fills up base64.
_FILLING: Final = b" \t\r\n\v\f="


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


def read_secret_file(path: Path, *, different: int = 2) -> bytes:
    """The content of a file that holds a key or a secret. A symbolic link to a regular file is followed, as those of
    Kubernetes are.

    NOT checked: whether others can read it, and whether the content can be guessed.

    :param different: how many different bytes a key has at the least: 2 refuses zeros only.
    :raises ValueError: it is not a regular file, any user can change it, or it is empty, too large, or a few characters
        repeated. The message is what to say after the name of the setting; it has nothing of the content.
    :raises OSError: it can't be read.
    """
    number = os.open(path, _FLAGS)
    try:
        # Checked on what was opened: what the name points to may change in between.
        _check_kind(os.fstat(number))
        content = _read(number)
    finally:
        os.close(number)
    if len(content) > _LARGEST_BYTES:
        raise ValueError(f"has more than {_LARGEST_BYTES} bytes, which no key has")
    text = content.removeprefix(BOM_UTF8).translate(None, delete=_FILLING)
    if not text:
        raise ValueError("is empty")
    if not any(text) or len(text) >= different > len(set(text)):
        raise ValueError("has the same few characters again and again, such as zeros, which is not a key")
    return content


def _read(number: int) -> bytes:
    """As much as is needed to see that it is too much."""
    with os.fdopen(number, "rb", closefd=False) as file:
        return file.read(_LARGEST_BYTES + 1)


def _check_kind(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("is not a regular file")
    if os.name == "posix" and status.st_mode & stat.S_IWOTH:
        raise ValueError(f"can be changed by every user of this machine (mode {stat.S_IMODE(status.st_mode):03o})")
