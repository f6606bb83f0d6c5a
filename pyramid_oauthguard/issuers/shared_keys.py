"""The key set as the processes that share a cache tell each other of it: what it is, and when one of them asked the issuer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from dogpile.cache import CacheRegion

__all__ = ["SharedKeys"]

_ENTRY: Final = "jwks"


class SharedKeys:
    """One entry of a region, and a lock that its processes share."""

    def __init__(self, region: CacheRegion) -> None:
        self._region = region

    def read(self) -> dict[str, Any]:
        """The entry; empty where there is none. NOT checked: its members, which other programs may have written."""
        entry = self._region.get(_ENTRY, ignore_expiration=True)
        return entry if isinstance(entry, dict) else {}

    def write(self, entry: Mapping[str, Any]) -> None:
        """Replace the entry."""
        self._region.set(_ENTRY, dict(entry))

    def forget(self) -> None:
        """Delete the entry."""
        self._region.delete(_ENTRY)

    @contextmanager
    def take_turns(self) -> Iterator[None]:
        """Of the processes, one is inside at a time."""
        name = self._region.key_mangler(_ENTRY) if self._region.key_mangler else _ENTRY
        mutex: Any = self._region._mutex(name)  # type: ignore[no-untyped-call]  # dogpile's, across processes
        mutex.acquire()
        try:
            yield
        finally:
            mutex.release()
