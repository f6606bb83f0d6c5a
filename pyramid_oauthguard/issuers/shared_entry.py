"""What the processes that share a cache tell each other of one thing that an issuer publishes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dogpile.cache import CacheRegion

__all__ = ["SharedEntry"]


class SharedEntry:
    """One entry of a region, and a lock that its processes share."""

    def __init__(self, region: CacheRegion, name: str) -> None:
        self._region = region
        self._name = name

    def read(self) -> dict[str, Any]:
        """The entry; empty where there is none. NOT checked: its members, which other programs may have written."""
        entry = self._region.get(self._name, ignore_expiration=True)
        return entry if isinstance(entry, dict) else {}

    def write(self, entry: Mapping[str, Any]) -> None:
        """Replace the entry."""
        self._region.set(self._name, dict(entry))

    def forget(self) -> None:
        """Delete the entry."""
        self._region.delete(self._name)

    @contextmanager
    def take_turns(self) -> Iterator[None]:
        """Of the processes, one is inside at a time."""
        name = self._region.key_mangler(self._name) if self._region.key_mangler else self._name
        mutex: Any = self._region._mutex(name)  # type: ignore[no-untyped-call]  # dogpile's, across processes
        mutex.acquire()
        try:
            yield
        finally:
            mutex.release()
