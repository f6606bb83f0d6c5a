"""Connections for units: from the engine's pool, and with SQLite some that stay open outside of the pool.

A check-out from the pool costs more than most units do on SQLite.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine

from .... import processes
from ....engines import SQLiteUse
from ....errors import UnavailableError
from .prepared import find_driver

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
        self._idle: list[tuple[Connection, Any]] = []

    def lend(self) -> Loan:
        """A connection in no transaction, and the driver's own, see :func:`~.prepared.find_driver`. A transaction that begins
        inside is rolled back, unless the caller commits it."""
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
            self._idle.pop()[0].close()

    def leave_parent(self) -> None:
        """In a child of a fork: those of the parent are not used, given back or closed here."""
        processes.abandon(self._idle)
        self._idle = []

    def _take(self, idle: list[tuple[Connection, Any]]) -> tuple[Connection, Any]:
        try:
            return idle.pop()
        except IndexError:
            connection = self._engine.connect()
            if self._use is not None:
                self._use.release(connection)
            return connection, find_driver(connection)

    def _put_back(self, lent: tuple[Connection, Any]) -> None:
        connection = lent[0]
        if connection.in_transaction():
            connection.rollback()
        if len(self._idle) < self._keep:
            self._idle.append(lent)
        else:
            connection.close()


class Loan:
    """One connection, from the ``with`` to its end. A class, since every request uses several: a generator costs twice as much."""

    __slots__ = ("_idle", "_key", "_lent", "_owner")

    def __init__(self, owner: Connections) -> None:
        self._owner = owner

    def __enter__(self) -> tuple[Connection, Any]:
        processes.renew_if_forked()
        owner = self._owner
        self._key = owner._use.enter() if owner._use is not None else None
        self._idle = owner._idle  # a child of a fork has another list
        try:
            self._lent = owner._take(self._idle)
        except BaseException:
            self._leave()
            raise
        return self._lent

    def __exit__(self, kind: object, _error: object, _trace: object) -> None:
        try:
            if self._owner._idle is not self._idle:
                return  # the connection is the parent's
            if kind is None:
                self._owner._put_back(self._lent)
            else:
                self._lent[0].close()
        finally:
            self._leave()

    def _leave(self) -> None:
        if self._owner._use is not None:
            self._owner._use.leave(self._key)
