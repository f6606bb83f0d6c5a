"""What was used, in the memory of one process."""

from __future__ import annotations

import heapq
import math
import threading
import time

from .. import processes
from ..errors import UnavailableError

__all__ = ["MemoryUses"]


class MemoryUses:
    """At most ``size`` names. A name is never forgotten early: if there are too many, none is added."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._names: set[str] = set()
        self._order: list[tuple[float, str]] = []  # a heap: what may be forgotten first
        self._lock = threading.Lock()
        processes.register(self, MemoryUses._leave_parent)

    def add(self, name: str, until: float) -> bool:
        """See :class:`..one_time.Uses`."""
        now = time.time()
        with self._lock:
            self._forget(now)
            if name in self._names:
                return False
            if len(self._names) >= self._size:
                wait = max(1, math.ceil(self._order[0][0] - now))
                raise UnavailableError("once_full", f"{self._size} tokens that live are remembered", retry_after=wait)
            self._names.add(name)
            heapq.heappush(self._order, (until, name))
        return True

    def has(self, name: str) -> bool:
        """See :class:`..one_time.Uses`."""
        return name in self._names

    def _forget(self, now: float) -> None:
        while self._order and self._order[0][0] <= now:
            self._names.discard(heapq.heappop(self._order)[1])

    def _leave_parent(self) -> None:
        """In a child of a fork: a thread of the parent may hold the lock, in the middle of a change."""
        if self._lock.locked():
            self._order = [each for each in self._order if each[1] in self._names]
            heapq.heapify(self._order)
        self._lock = threading.Lock()
