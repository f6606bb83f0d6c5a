"""Reading files that hold a key or a secret, and refusing those that hold none or that others can change."""

from __future__ import annotations

import os
import stat
from codecs import BOM_UTF8
from pathlib import Path
from typing import Final

__all__ = ["DIFFERENT_IN_KEYS", "read_secret_file"]

#: Of 32 random bytes, raw or in hexadecimal, fewer than 8 are different once in 10^18 files.
DIFFERENT_IN_KEYS: Final = 8
_LARGEST_BYTES: Final = 1_048_576
#: A FIFO or a device in the file's place must neither hold us for ever nor become our terminal.
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_CLOEXEC", 0)
#: White space, and what fills up base64.
_FILLING: Final = b" \t\r\n\v\f="


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
