"""The standard streams of the process, in whatever state a shell, a service manager or a full disk leaves them."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Final, TextIO

__all__ = ["prepare", "settle"]

#: Name, mode, and how the null device is opened in place of a closed stream. Standard output is opened for reading, so that
#: writing to it fails: data must not be lost without a message.
_CLOSED: Final = (("stdin", "r", os.O_RDONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_WRONLY))
_STRICT: Final = frozenset({"strict", "surrogateescape"})


def prepare() -> None:
    """Make the streams usable: none is missing, and no character is one that a stream can't write or read.

    The number of a closed stream is taken again. A file or socket would get it otherwise, and what is printed would go there.
    """
    for name, mode, flags in _CLOSED:
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.open(os.devnull, flags), mode, encoding="utf-8"))  # noqa: SIM115, PTH123
    _set_errors(sys.stdout, "backslashreplace")  # as Python does for standard error
    _set_errors(sys.stdin, "replace")


def settle() -> None:
    """Hand over what is still in buffers. What can't be written is dropped: otherwise Python prints an error and ends with another status."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            _drop(stream)


def _set_errors(stream: TextIO, errors: str) -> None:
    if isinstance(stream, io.TextIOWrapper) and stream.errors in _STRICT:
        stream.reconfigure(errors=errors)


def _drop(stream: TextIO) -> None:
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
