"""Connections for units: from the engine's pool, and with SQLite some that stay open outside of the pool.

A check-out from the pool costs more than most units do on SQLite.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine

from .... import processes
from ....engines import SQLiteUse
from ....errors import UnavailableError

__all__ = ["Connections", "Loan"]


class Connections:
    """Lends an engine's connections, each to one unit at a time.

    :param keep: how many unused connections stay open; the others go back to the pool.
    :param use: with a SQLite file, what counts those that are used.
    """

    def __init__(self, engine: Engine, *, keep: int = 0, use: SQLiteUse | None = None) -> None:
        self._engine = engine
        self._keep = keep
        self._use = use
        self._idle: list[Connection] = []

    def lend(self) -> Loan:
        """A connection in no transaction. A transaction that begins inside is rolled back, unless the caller commits it."""
        return Loan(self)

    def mark(self) -> object:
        """For :meth:`check`, later in the same unit."""
        return self._idle

    def check(self, mark: object) -> None:
        """:raises UnavailableError: this process was forked since, so the connection belongs to the parent."""
        if self._idle is not mark:
            raise UnavailableError("storage", "the process was forked in the middle of a unit", retry_after=5)

    def close(self) -> None:
        """Close those that are not in use."""
        while self._idle:
            self._idle.pop().close()

    def leave_parent(self) -> None:
        """In a child of a fork: those of the parent are not used, given back or closed here."""
        processes.abandon(self._idle)
        self._idle = []

    def _take(self, idle: list[Connection]) -> Connection:
        try:
            return idle.pop()
        except IndexError:
            connection = self._engine.connect()
            if self._use is not None:
                self._use.release(connection)
            return connection

    def _put_back(self, connection: Connection) -> None:
        if connection.in_transaction():
            connection.rollback()
        if len(self._idle) < self._keep:
            self._idle.append(connection)
        else:
            connection.close()


class Loan:
    """One connection, from the ``with`` to its end. A class, since every request uses several: a generator costs twice as much."""

    __slots__ = ("_connection", "_idle", "_key", "_owner")

    def __init__(self, owner: Connections) -> None:
        self._owner = owner

    def __enter__(self) -> Connection:
        processes.renew_if_forked()
        owner = self._owner
        self._key = owner._use.enter() if owner._use is not None else None
        self._idle = owner._idle  # a child of a fork has another list
        try:
            self._connection = owner._take(self._idle)
        except BaseException:
            self._leave()
            raise
        return self._connection

    def __exit__(self, kind: object, _error: object, _trace: object) -> None:
        try:
            if self._owner._idle is not self._idle:
                return  # the connection is the parent's
            if kind is None:
                self._owner._put_back(self._connection)
            else:
                self._connection.close()
        finally:
            self._leave()

    def _leave(self) -> None:
        if self._owner._use is not None:
            self._owner._use.leave(self._key)
