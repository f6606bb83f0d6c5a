"""Connections for units: of the engine's pool, and with SQLite some that stay at hand.

A check-out of the pool costs more than what most units do on SQLite.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine

__all__ = ["Connections"]


class Connections:
    """Lends an engine's connections, each to one unit at a time.

    :param keep: how many that are not used stay open; the rest goes back to the pool.
    """

    def __init__(self, engine: Engine, *, keep: int = 0) -> None:
        self._engine = engine
        self._keep = keep
        self._idle: list[Connection] = []
        self._process = os.getpid()
        self._inherited: list[Any] = []

    @contextmanager
    def lend(self) -> Iterator[Connection]:
        """A connection in no transaction. One that is begun inside is the caller's to commit; else it is rolled back."""
        connection = self._take()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        if connection.in_transaction():
            connection.rollback()
        if len(self._idle) < self._keep:
            self._idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Close those that nobody uses."""
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> Connection:
        if self._keep and self._process != os.getpid():
            self._start_anew()
        try:
            return self._idle.pop()
        except IndexError:
            return self._engine.connect()

    def _start_anew(self) -> None:
        """After a fork: SQLite's connections can be neither used nor closed in a child, so they are only kept alive."""
        self._inherited += [self._idle, self._engine.pool]
        self._idle = []
        self._engine.dispose(close=False)
        self._process = os.getpid()  # last: until then no other thread may go on
