"""Threads that wait for each other: for the one connection of a database in memory, or to write to a SQLite file."""

from __future__ import annotations

from typing import Any

from ....errors import UnavailableError

__all__ = ["Turn"]


class Turn:
    """The lock, waited for no longer than a lock of the database.

    :param lock: of :mod:`threading`.
    :param seconds: 0 for no limit.
    """

    def __init__(self, lock: Any, seconds: float) -> None:
        self._lock = lock
        self._seconds = seconds or -1

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=self._seconds):
            raise UnavailableError("storage", "other threads of this process have kept the SQLite database busy")

    def __exit__(self, *_raised: object) -> None:
        self._lock.release()
