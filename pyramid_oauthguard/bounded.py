"""A dictionary that can't be filled up."""

from __future__ import annotations

import threading
from typing import Any, Final

__all__ = ["BoundedMap"]

_ABSENT: Final = object()


class BoundedMap:
    """At most ``size`` entries, the ones not used lately dropped first; hits take no lock.

    Two generations: what is set or found lands in the young one; when that is half full it becomes the old
    one and the former old one is dropped whole. So nothing is reordered on a hit, and a flood of new entries
    costs the useful ones at most one miss.
    """

    def __init__(self, size: int) -> None:
        self._half = max(1, (size + 1) // 2)
        self._young: dict[Any, Any] = {}
        self._old: dict[Any, Any] = {}
        self._lock = threading.Lock()

    def get(self, key: Any, default: Any = None) -> Any:
        found = self._young.get(key, _ABSENT)
        if found is not _ABSENT:
            return found
        found = self._old.get(key, _ABSENT)
        if found is _ABSENT:
            return default
        self._promote(key, found)
        return found

    def set(self, key: Any, value: Any) -> None:
        with self._lock:
            self._old.pop(key, None)
            self._put(key, value)

    def delete(self, key: Any) -> None:
        with self._lock:
            self._young.pop(key, None)
            self._old.pop(key, None)

    def clear(self) -> None:
        with self._lock:
            self._young = {}
            self._old = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def _promote(self, key: Any, value: Any) -> None:
        with self._lock:
            # Only what is still there: a delete that came between must not be undone.
            if self._old.pop(key, _ABSENT) is value:
                self._put(key, value)

    def _put(self, key: Any, value: Any) -> None:
        if len(self._young) >= self._half and key not in self._young:
            self._old = self._young
            self._young = {}
        self._young[key] = value
