"""The sites of public clients, whose scripts may call the endpoints for clients.

Any caller can make this server look for a site, and there may be a client for each user: so one thread at a time reads, and no more
than a part of one processor is used for it.
"""

from __future__ import annotations

import threading
import time
from typing import Final

from ... import processes
from ...errors import UnavailableError
from ...urls import as_origin
from ..store.contract import Store

__all__ = ["Origins", "find_origin"]

REMEMBER_SECONDS: Final = 60.0
UNKNOWN_SECONDS: Final = 1.0
_MOST_UNKNOWN_SECONDS: Final = 10.0
STALE_SECONDS: Final = 3600.0
#: Reading takes at most one part in this many of the time.
_PARTS: Final = 5


class Origins:
    """The origins of the redirect URIs of live public clients, remembered for a minute; for an hour while the storage is
    away. An unknown origin is looked up again once a second: another process may just have stored it. Where there are so many that
    reading them takes long, less often.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._places: dict[str, str | None] = {}
        self._found: frozenset[str] = frozenset()
        self._read_at = float("-inf")
        self._took = 0.0
        self._changes = 0
        self._failures = 0
        self._failure = UnavailableError("storage")
        self._renew_lock()
        processes.register(self, Origins._renew_lock)

    def __contains__(self, origin: str) -> bool:
        if self._is_due(origin):
            self._catch_up(origin)
        return origin in self._found

    def forget(self) -> None:
        """Read them again at the next use: clients were changed."""
        self._changes += 1
        self._read_at = float("-inf")

    def _is_due(self, origin: str) -> bool:
        unknown = min(max(UNKNOWN_SECONDS, self._took * _PARTS), _MOST_UNKNOWN_SECONDS)
        limit = REMEMBER_SECONDS if origin in self._found else unknown
        return not 0 <= time.time() - self._read_at < limit

    def _catch_up(self, origin: str) -> None:
        """Read them, or wait for a thread that does; one that is known does not wait. What fails for that thread fails for those
        that waited: they would wait for a storage that is away one after the other."""
        lock, failures = self._reading, self._failures
        if not lock.acquire(blocking=origin not in self._found):
            return
        try:
            if failures != self._failures:
                raise self._failure.repeat()
            if self._is_due(origin):
                self._read()
        except UnavailableError:
            if not 0 <= time.time() - self._read_at < STALE_SECONDS:
                raise
        finally:
            lock.release()

    def _read(self) -> None:
        now, began, changes = time.time(), time.perf_counter(), self._changes
        try:
            with self._store.reading() as unit:
                uris = unit.list_public_redirect_uris()
        except UnavailableError as error:
            self._failure, self._failures = error.repeat(), self._failures + 1
            raise
        self._places = {place: self._find(place) for place in set(map(_find_place, uris))}
        self._found = frozenset(filter(None, self._places.values()))
        self._took = time.perf_counter() - began
        if changes == self._changes:  # otherwise they were changed since they were read
            self._read_at = now

    def _find(self, place: str) -> str | None:
        return self._places[place] if place in self._places else find_origin(place)

    def _renew_lock(self) -> None:
        self._reading = threading.Lock()


def find_origin(uri: str) -> str | None:
    """The origin of a page at ``uri`` as browsers write it (RFC 6454 section 6.2); None for a private-use scheme."""
    try:
        return str(as_origin(uri))
    except ValueError:
        return None


def _find_place(uri: str) -> str:
    """The beginning of a URI that contains its scheme and host: many clients differ in the rest, or not at all."""
    return "/".join(uri.split("/", 3)[:3])
