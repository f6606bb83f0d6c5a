"""SQLAlchemy engines whose connections stay in the process that opened them."""

from __future__ import annotations

import contextlib
import time
import weakref
from threading import get_ident
from typing import Any, Final

from sqlalchemy import Connection, Engine, event
from sqlalchemy.pool import SingletonThreadPool, StaticPool

from . import processes

__all__ = ["FORK_PATIENCE_SECONDS", "claim", "keep_in_process"]

#: For how long a fork waits for the SQLite connections that other threads use.
FORK_PATIENCE_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.001
_THREAD: Final = "oauthguard_thread"


def keep_in_process(engine: Engine) -> None:
    """Let a child process of a fork use none of the connections of its parent. It begins with an empty pool.

    Nothing is sent on the connections of the parent, which goes on using them.

    With SQLite the fork waits until other threads have given their connections back, and then the parent closes the
    connections. The library counts its locks per process. A child that inherits a writer's would find the database locked for ever;
    one that inherits an open connection believes that it has the lock of its parent, and what it writes can be lost when the
    parent closes the database.

    NOT covered: a SQLite database in memory, which the fork copies; a SQLite connection that is used for longer than the fork
    waits, or by the thread that forks.

    :param engine: a new one, which has opened no connection yet.
    """
    if isinstance(engine.pool, StaticPool | SingletonThreadPool):
        return
    event.listen(engine, "connect", _note)
    if engine.dialect.name == "sqlite":
        _SQLiteUse(engine)
    else:
        processes.register(engine, _leave_pool)


def claim(connection: Connection) -> None:
    """Say that this thread uses ``connection``, though another one checked it out of the pool."""
    connection.info[_THREAD] = get_ident()


def _note(connection: Any, record: Any) -> None:
    processes.register(record, _leave_record)
    if hasattr(connection, "fileno"):  # SQLite's has none
        with contextlib.suppress(TypeError):  # a driver whose connections have no weak references
            processes.register(connection, processes.cut)


def _leave_record(record: Any) -> None:
    """What SQLAlchemy gave the thread that uses the connection is kept, too: else its end would be a rollback."""
    user = getattr(record, "fairy_ref", None)
    processes.abandon(record, user and user())


def _leave_pool(engine: Engine) -> None:
    processes.abandon(engine.pool)
    engine.dispose(close=False)


class _SQLiteUse:
    """Which threads use the connections of a SQLite engine."""

    def __init__(self, engine: Engine) -> None:
        self._records: dict[int, weakref.ref[Any]] = {}
        event.listen(engine, "connect", self._note_record)
        event.listen(engine, "checkout", self._note_thread)
        processes.register(engine, _leave_pool, before=self._settle)

    def _note_record(self, _connection: Any, record: Any) -> None:
        key = id(record)
        self._records[key] = weakref.ref(record, lambda _reference: self._records.pop(key, None))

    def _note_thread(self, _connection: Any, record: Any, _proxy: Any) -> None:
        record.info[_THREAD] = get_ident()

    def _settle(self, engine: Engine) -> None:
        deadline = time.monotonic() + FORK_PATIENCE_SECONDS
        while time.monotonic() < deadline and any(map(self._is_anothers, self._list_records())):
            time.sleep(_POLL_SECONDS)
        records = self._list_records()
        engine.dispose()
        for record in records:
            if not record.in_use:  # given back to a pool that had been disposed of before
                record.close()

    def _list_records(self) -> list[Any]:
        return [record for record in (each() for each in list(self._records.values())) if record is not None]

    @staticmethod
    def _is_anothers(record: Any) -> bool:
        # Not whether it is in a transaction: SQLite says no while the commit is still being written.
        return bool(record.in_use) and record.info.get(_THREAD) != get_ident()
