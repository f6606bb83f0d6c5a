"""How many threads may wait for documents at once: in all, for one user, and for one host. One thread reads a document, and
others that want the same one wait for it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from .... import processes

__all__ = ["BusyError", "Turns"]

MAX_IN_ALL: Final = 4
MAX_OF_USER: Final = 2
MAX_OF_HOST: Final = 2


class BusyError(Exception):
    """Too many threads wait for documents; the text says which limit was reached."""


class Turns:
    """Counts waiting threads. Nothing of it survives a fork."""

    def __init__(self) -> None:
        self._renew()
        processes.register(self, Turns._renew)

    @contextmanager
    def wait(self, url: str, *, user: str, host: str, deadline: float) -> Iterator[None]:
        """Wait until no other thread reads this document, and hold a place while the block runs.

        :raises BusyError: there is no place, or the other thread takes too long.
        """
        names = [("all", ""), ("user", user), ("host", host)]
        with self._changed:
            self._take(names)
            try:
                if not self._changed.wait_for(lambda: url not in self._reading, max(0.0, deadline - time.monotonic())):
                    raise BusyError("another request still waits for this document")
                self._reading.add(url)
            except BaseException:
                self._give_back(names)
                raise
        try:
            yield
        finally:
            with self._changed:
                self._reading.discard(url)
                self._give_back(names)
                self._changed.notify_all()

    @contextmanager
    def visit(self, host: str) -> Iterator[None]:
        """Hold a place of another host while the block runs, within a turn.

        :raises BusyError: there is no place.
        """
        names = [("host", host)]
        with self._changed:
            self._take(names)
        try:
            yield
        finally:
            with self._changed:
                self._give_back(names)

    def _take(self, names: list[tuple[str, str]]) -> None:
        limits = {"all": MAX_IN_ALL, "user": MAX_OF_USER, "host": MAX_OF_HOST}
        for kind, name in names:
            if self._counts[kind, name] >= limits[kind]:
                raise BusyError(f"{limits[kind]} requests wait for documents ({kind})")
        self._counts.update(names)

    def _give_back(self, names: list[tuple[str, str]]) -> None:
        self._counts.subtract(names)
        self._counts += Counter()  # without the names at zero

    def _renew(self) -> None:
        self._changed = threading.Condition()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._reading: set[str] = set()
