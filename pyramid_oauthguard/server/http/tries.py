"""Counts of attempts in windows of fixed length, in this process and in a cache that processes share.

This process always counts in its own memory, too. So it continues to count if the shared cache is down, refuses to
write, loses its data, or contains something else.
"""

from __future__ import annotations

import threading
import time
from hashlib import sha256
from typing import Any, Final

from dogpile.cache import CacheRegion

from ... import processes
from ...bounded import BoundedMap
from ...caching import read_number
from ..rates import Rate

__all__ = ["Tries"]

_STRIPES: Final = 64
_LONGEST_CHARACTERS: Final = 255  # of a client id; user names are shorter
_MAX_COUNTS: Final = 20_000


class Tries:
    """Counts under a name and a key, such as the client and its address.

    :param region: where other processes count; None if there are none, or each counts for itself.
    """

    def __init__(self, region: CacheRegion | None = None) -> None:
        self._region = region
        self._counts = BoundedMap(_MAX_COUNTS)
        self._ends: dict[str, float] = {}  # the time when the last window of each name has ended
        self._renew_locks()
        processes.register(self, Tries._renew_locks)

    def fetch_wait(self, name: str, key: tuple[str, ...], rate: Rate, *, factor: int = 1) -> float:
        """The number of seconds until the next try is allowed; 0 if it is allowed now."""
        now = time.time()
        if self._region is None and now >= self._ends.get(name, 0.0):
            return 0.0
        count, end = self._read(_as_place(name, key), rate, now)
        return end - now if count >= rate.count * factor else 0.0

    def take(self, name: str, key: tuple[str, ...], rate: Rate, *, factor: int = 1) -> float:
        """Count one try if it is allowed: check and add in one step. Returns what :meth:`fetch_wait` does."""
        now, place = time.time(), _as_place(name, key)
        with self._locks[hash(key) % _STRIPES]:
            count, end = self._read(place, rate, now)
            if count >= rate.count * factor:
                return end - now
            self._write(name, place, count + 1, end)
        return 0.0

    def add(self, name: str, key: tuple[str, ...], rate: Rate) -> None:
        """Count one try."""
        place = _as_place(name, key)
        with self._locks[hash(key) % _STRIPES]:
            count, end = self._read(place, rate, time.time())
            self._write(name, place, count + 1, end)

    def give_back(self, name: str, key: tuple[str, ...], rate: Rate) -> None:
        """Take back one try that was counted in this window."""
        place = _as_place(name, key)
        with self._locks[hash(key) % _STRIPES]:
            count, end = self._read(place, rate, time.time())
            if count:
                self._write(name, place, count - 1, end)

    def _renew_locks(self) -> None:
        self._locks = tuple(threading.Lock() for _ in range(_STRIPES))

    def _read(self, place: str, rate: Rate, now: float) -> tuple[float, float]:
        """The number of tries in a window, and when the window ends."""
        found = _read_window(self._counts.get(place), rate, now)
        if self._region is not None:
            # The greater count is right: a cache never counts more tries than there were.
            found = max(found, _read_window(self._region.get(place), rate, now))
        return found if found[0] else (0, now + rate.period)

    def _write(self, name: str, place: str, count: float, end: float) -> None:
        self._ends[name] = max(end, self._ends.get(name, 0.0))
        self._counts.set(place, [count, end])
        if self._region is not None:
            self._region.set(place, [count, end])


def _read_window(found: Any, rate: Rate, now: float) -> tuple[float, float]:
    """Other programs may write to a shared cache, so it may contain any value."""
    if isinstance(found, list) and len(found) == 2:
        count, end = map(read_number, found)
        if count is not None and end is not None and now < end <= now + rate.period:
            return count, end
    return 0, 0.0


def _as_place(name: str, key: tuple[str, ...]) -> str:
    # With lengths, so that two pairs of client id and address never have the same key.
    for part in key:
        text = part if part.isascii() else part.encode("utf-8", "backslashreplace").decode()
        if len(text) > _LONGEST_CHARACTERS:  # many long names must not take more memory than many short ones
            text = sha256(text.encode()).hexdigest()
        name += f" {len(text)}:{text}"
    return name
