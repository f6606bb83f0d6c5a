"""Files that hold keys, secrets or everything: how they are read, and how they are kept from other users."""

from __future__ import annotations

import logging
import os
import stat
from codecs import BOM_UTF8
from pathlib import Path
from typing import Final

__all__ = [
    "DIFFERENT_IN_KEYS",
    "FileMark",
    "find_mark",
    "find_open_folder",
    "make_private_folder",
    "protect_database",
    "read_secret_file",
]

logger = logging.getLogger("pyramid_oauthguard")

_FILE_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700
#: Endings of the files that SQLite makes beside a database, with the mode of the database. They can contain its content.
_COMPANIONS: Final = ("-wal", "-shm", "-journal")
#: Of 32 random bytes, raw or in hexadecimal, fewer than 8 are different once in 10^18 files.
DIFFERENT_IN_KEYS: Final = 8
_LARGEST_BYTES: Final = 1_048_576
#: A FIFO at this path must not block the process, and a device must not become its terminal.
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_CLOEXEC", 0)
#: Inode, size and time of the last change in nanoseconds.
FileMark = tuple[int, int, int]
#: White space, and the padding of base64.
_FILLING: Final = b" \t\r\n\v\f="


def make_private_folder(folder: Path) -> bool:
    """Make a folder, and those above it that are missing, with mode 0700. Folders that exist are not changed.

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


def find_open_folder(file: Path) -> Path | None:
    """A folder above ``file`` in which every user of this machine can put another file or folder in the place of ours: others
    may write in it, and it has no sticky bit. None if there is none, and on Windows.
    """
    if os.name != "posix":
        return None
    for folder in Path(os.path.realpath(file)).parents:
        try:
            mode = folder.stat().st_mode
        except OSError:
            continue  # what is not there yet is made private
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            return folder
    return None


def protect_database(file: Path) -> None:
    """Give mode 0600 to a SQLite database and to the files that SQLite makes beside it. A missing database is made with this
    mode, so that other users can never open it.

    A file of another user is not changed, and the log says so. If the file can't be made, SQLite reports the reason later.
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
        return  # it does not exist, or it was deleted just now
    if not mode & 0o077:
        return
    try:
        path.chmod(mode & stat.S_IRWXU)
        logger.warning("%s was open to others (mode %03o): it has mode %03o now", path, mode, mode & stat.S_IRWXU)
    except OSError:
        logger.warning("%s is open to others (mode %03o), and another user's: chmod 600 it", path, mode)


def find_mark(path: str) -> FileMark:
    """What changes when the file at ``path`` is replaced or written. :raises OSError: there is none."""
    status = os.stat(path)  # noqa: PTH116  # at each use: a Path would take as long as the call
    return status.st_ino, status.st_size, status.st_mtime_ns


def read_secret_file(path: Path, *, different: int = 2) -> bytes:
    """The content of a file that holds a key or a secret. A symbolic link to a regular file is followed:
    Kubernetes uses such links.

    NOT checked: whether others can read it, and whether the content can be guessed.

    :param different: the least number of different bytes; 2 refuses a file that repeats one byte.
    :raises ValueError: it is not a regular file, any user can change it, or it is empty, too large, or a few characters
        repeated. The message follows the name of the setting in a sentence; it contains nothing of the content.
    :raises OSError: it can't be read.
    """
    number = os.open(path, _FLAGS)
    try:
        # The open file is checked, since the path may point to another file a moment later.
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
    """At most one byte more than is allowed, which is enough to see that the file is too large."""
    with os.fdopen(number, "rb", closefd=False) as file:
        return file.read(_LARGEST_BYTES + 1)


def _check_kind(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("is not a regular file")
    if os.name == "posix" and status.st_mode & stat.S_IWOTH:
        raise ValueError(f"can be changed by every user of this machine (mode {stat.S_IMODE(status.st_mode):03o})")
