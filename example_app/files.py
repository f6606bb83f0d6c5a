"""Files that are made on first start: the folder of the databases, and local keys."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path
from typing import Final

from pyramid_oauthguard.private_files import DIFFERENT_IN_KEYS, make_private_folder, read_secret_file

__all__ = ["make_folder", "read_or_make_key"]

_MIN_KEY_BYTES: Final = 32


def make_folder(folder: Path) -> None:
    """Make ``folder`` for the owner only, ignored by git. An existing folder is not changed."""
    if make_private_folder(folder):
        (folder / ".gitignore").write_text("*\n", "utf-8")


def read_or_make_key(path: Path) -> str:
    """The key in ``path``, made of 32 random bytes with mode 0600 if the file isn't there.

    Processes that start together agree on one key: the file appears whole, under its name, once.

    :raises ValueError: the file holds no key, any user can change it, or it is not a regular file.
    :raises OSError: it can't be read or made.
    """
    make_folder(path.parent)
    if not path.exists():
        _make_key(path)
    key = read_secret_file(path, different=DIFFERENT_IN_KEYS).decode("utf-8").strip()
    if len(key) < _MIN_KEY_BYTES:
        raise ValueError(f"holds fewer than {_MIN_KEY_BYTES} characters, which can be guessed")
    return key


def _make_key(path: Path) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent)  # 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
        os.link(name, path)
    except FileExistsError:
        pass  # another process was first: its key counts
    finally:
        Path(name).unlink()
