"""A dictionary of limited size."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

from .telemetry.counting import note

__all__ = ["BoundedMap"]

_ABSENT: Final = object()


class BoundedMap:
    """At most ``size`` entries; the least recently used goes first. Shared by threads without a lock.

    Every step is one operation of an OrderedDict, which is atomic in the interpreter. Between two steps, another thread may
    delete an entry.

    :param name: under which dropped entries are counted; empty counts nothing.
    """

    def __init__(self, size: int, *, name: str = "") -> None:
        self._size = size
        self._name = name
        self._entries: OrderedDict[Any, Any] = OrderedDict()

    def get(self, key: Any, default: Any = None) -> Any:
        entries = self._entries
        found = entries.get(key, _ABSENT)
        if found is _ABSENT:
            return default
        try:  # noqa: SIM105  # every request comes here: a context manager would cost more than the rest
            entries.move_to_end(key)
        except KeyError:  # dropped by another thread just now
            pass
        return found

    def peek(self, key: Any) -> Any:
        """Like :meth:`get`, but not counted as a use."""
        return self._entries.get(key)

    def set(self, key: Any, value: Any) -> None:
        entries = self._entries
        entries[key] = value
        if len(entries) > self._size:
            try:  # noqa: SIM105  # as above
                entries.popitem(last=False)
            except KeyError:  # emptied by another thread just now
                pass
            if self._name:
                note("cache_evictions", self._name)

    def delete(self, key: Any) -> None:
        self._entries.pop(key, None)

    def clear(self) -> None:
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)
