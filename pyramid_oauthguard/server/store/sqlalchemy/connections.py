"""Connections for units: of the engine's pool, and with SQLite some that stay at hand.

A check-out of the pool costs more than what most units do on SQLite.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident

from sqlalchemy import Connection, Engine

from .... import processes
from ....engines import claim
from ....errors import UnavailableError

__all__ = ["Connections"]

_POLL_SECONDS = 0.001


class Connections:
    """Lends an engine's connections, each to one unit at a time.

    :param keep: how many that are not used stay open; the rest goes back to the pool.
    """

    def __init__(self, engine: Engine, *, keep: int = 0) -> None:
        self._engine = engine
        self._keep = keep
        self._idle: list[Connection] = []
        self._lent: dict[Connection, int] = {}  # with the thread that uses it

    @contextmanager
    def lend(self) -> Iterator[Connection]:
        """A connection in no transaction. One that is begun inside is the caller's to commit; else it is rolled back."""
        connection = self._take()
        self._lent[connection] = get_ident()
        try:
            yield connection
        except BaseException:
            if self._take_back(connection):
                connection.close()
            raise
        if not self._take_back(connection):
            return
        if connection.in_transaction():
            connection.rollback()
        if len(self._idle) < self._keep:
            self._idle.append(connection)
        else:
            connection.close()

    def check(self, connection: Connection) -> None:
        """:raises UnavailableError: this process was forked since it was lent, so it belongs to the parent."""
        if connection not in self._lent:
            raise UnavailableError("storage", "the process was forked in the middle of a unit", retry_after=5)

    def close(self) -> None:
        """Close those that nobody uses."""
        while self._idle:
            self._idle.pop().close()

    def wait_for_others(self, deadline: float) -> None:
        """Return once no other thread uses any, or at ``deadline`` (on the monotonic clock)."""
        own = get_ident()
        while time.monotonic() < deadline and any(thread != own for thread in tuple(self._lent.values())):
            time.sleep(_POLL_SECONDS)
        for connection, thread in tuple(self._lent.items()):
            if thread == own:
                claim(connection)

    def leave_parent(self) -> None:
        """In a child of a fork: those of the parent are not used, given back or closed here."""
        processes.abandon(self._idle, self._lent)
        self._idle = []
        self._lent = {}

    def _take(self) -> Connection:
        processes.renew_if_forked()
        try:
            return self._idle.pop()
        except IndexError:
            return self._engine.connect()

    def _take_back(self, connection: Connection) -> bool:
        return self._lent.pop(connection, None) is not None
