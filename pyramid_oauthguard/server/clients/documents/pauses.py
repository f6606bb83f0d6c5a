"""Hosts that failed a moment ago are left alone, for a time that doubles with each failure."""

from __future__ import annotations

import time
from typing import Final

from ....bounded import BoundedMap

__all__ = ["Pauses"]

_LEAST_SECONDS: Final = 1.0
_MOST_SECONDS: Final = 30.0
_FORGET_SECONDS: Final = 300.0
_MAX_NAMES: Final = 1000


class Pauses:
    """Pauses by name: a host, or a URL. The least recently used is forgotten first."""

    def __init__(self) -> None:
        self._ends = BoundedMap(_MAX_NAMES)

    def is_paused(self, name: str) -> bool:
        """Whether it failed a moment ago."""
        end: float = self._ends.get(name, (0.0, 0.0))[0]
        return time.monotonic() < end

    def fail(self, name: str) -> None:
        """It failed: 1 second at first, then twice as long each time, 30 seconds at most."""
        now = time.monotonic()
        end, length = self._ends.get(name, (0.0, 0.0))
        length = min(length * 2, _MOST_SECONDS) if length and now < end + _FORGET_SECONDS else _LEAST_SECONDS
        self._ends.set(name, (now + length, length))

    def succeed(self, name: str) -> None:
        """It works."""
        self._ends.delete(name)
