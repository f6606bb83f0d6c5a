"""SQLAlchemy engines whose connections stay in the process that opened them."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Iterator
from threading import get_ident
from typing import Any, Final

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import SingletonThreadPool, StaticPool

from . import processes

__all__ = ["FORK_PATIENCE_SECONDS", "SQLiteUse", "keep_in_process"]

#: How long a fork waits for the threads that use SQLite, and how long these threads wait for the fork.
FORK_PATIENCE_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.0005
_KEY: Final = "oauthguard_use"
_LEFT_BY: Final = "oauthguard_left_by"


def keep_in_process(engine: Engine) -> SQLiteUse | None:
    """Keep a forked child process from using the connections of its parent. The child begins with an empty pool.

    The child sends nothing on these connections, so the parent can still use them.

    With SQLite the fork waits until other threads have given their connections back, other threads wait for the fork, and the
    parent closes the connections. There are two reasons. First, a thread that is inside the SQLite library during the fork
    holds locks of the library, and nothing releases them in the child. Second, the library counts its locks on the file per
    process. If a child inherits the lock of a writer, the database stays locked in the child. If it inherits an open
    connection, it acts as if it had the lock of its parent, and its writes can be lost when the parent closes the database.

    NOT covered: a SQLite database in memory, which the fork copies; a SQLite connection that is used for longer than the fork
    waits, or by the thread that forks.

    :param engine: a new engine, which has not opened a connection yet.
    :return: for SQLite, the counter of the threads that use it.
    """
    if isinstance(engine.pool, StaticPool | SingletonThreadPool):
        return None
    event.listen(engine, "connect", _note)
    if engine.dialect.name == "sqlite":
        return SQLiteUse(engine)
    processes.register(engine, _leave_pool)
    return None


def _note(connection: Any, record: Any) -> None:
    processes.register(record, _leave_record)
    if hasattr(connection, "fileno"):  # a connection of SQLite has no descriptor
        with contextlib.suppress(TypeError):  # a driver whose connections have no weak references
            processes.register(connection, processes.cut)


def _leave_record(record: Any) -> None:
    """Keep the record, and the object that SQLAlchemy gave to the user of the connection: its finalizer would roll back."""
    user = getattr(record, "fairy_ref", None)
    processes.abandon(record, user and user())


def _leave_pool(engine: Engine) -> None:
    processes.abandon(engine.pool)
    engine.dispose(close=False)


class SQLiteUse:
    """Counts the threads that use the connections of an engine, so that no thread is inside SQLite during a fork."""

    _users: dict[object, int]
    _gate: threading.Event | None

    def __init__(self, engine: Engine) -> None:
        self._records: dict[int, weakref.ref[Any]] = {}
        self._reset()
        event.listen(engine, "do_connect", self._connect)
        event.listen(engine, "connect", self._note_record)
        event.listen(engine, "checkout", self._take)
        event.listen(engine, "checkin", self._give_back)
        processes.register(engine, _leave_pool, before=self._settle)
        processes.register(self, SQLiteUse._reset, after=SQLiteUse._resume)

    def enter(self) -> object:
        """Count this thread as a user of SQLite until it calls :meth:`leave` with the result. Waits for a fork in progress."""
        key, thread = object(), get_ident()
        self._users[key] = thread
        # Checked after the thread is counted. In the other order, a fork could begin between the two steps.
        while (gate := self._gate) is not None and self._may_wait(thread):
            self.leave(key)
            gate.wait(FORK_PATIENCE_SECONDS)
            self._users[key] = thread
        return key

    def leave(self, key: object) -> None:
        """Stop counting the use that :meth:`enter` returned as ``key``."""
        self._users.pop(key, None)

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """:meth:`enter` and :meth:`leave`."""
        key = self.enter()
        try:
            yield
        finally:
            self.leave(key)

    def release(self, connection: Connection) -> None:
        """Stop counting the check-out of ``connection`` as a use. For a caller that keeps it and counts each use."""
        self.leave(connection.info.pop(_KEY, None))

    def settle(self) -> None:
        """Prepare for a fork: let no more threads begin to use SQLite, and wait for those that use it."""
        if self._forking.acquire(timeout=FORK_PATIENCE_SECONDS):
            self._gate = self._gate or threading.Event()
        deadline, own = time.monotonic() + FORK_PATIENCE_SECONDS, get_ident()
        while time.monotonic() < deadline and any(thread != own for thread in list(self._users.values())):
            time.sleep(_POLL_SECONDS)

    def _may_wait(self, thread: int) -> bool:
        """Whether ``thread`` may wait for a fork. It may not if the fork waits for it, because it uses another connection."""
        return list(self._users.values()).count(thread) == 1

    def _settle(self, engine: Engine) -> None:
        self.settle()
        records = [record for record in (each() for each in list(self._records.values())) if record is not None]
        engine.dispose()
        for record in records:
            if not record.in_use:  # it was returned to a pool that had been disposed of
                record.close()
            else:  # it will be
                record.info[_LEFT_BY] = os.getpid()

    def _resume(self) -> None:
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.set()
        with contextlib.suppress(RuntimeError):
            while True:  # once for each time that this thread acquired it
                self._forking.release()

    def _reset(self) -> None:
        self._users = {}
        self._gate = None
        self._forking = threading.RLock()

    def _connect(self, dialect: Any, _record: Any, arguments: Any, named: Any) -> Any:
        with self.counted():
            return dialect.connect(*arguments, **named)

    def _note_record(self, _connection: Any, record: Any) -> None:
        key = id(record)
        self._records[key] = weakref.ref(record, lambda _reference: self._records.pop(key, None))

    def _take(self, _connection: Any, record: Any, _proxy: Any) -> None:
        key, thread = object(), get_ident()
        self._users[key] = thread
        if self._gate is not None and self._may_wait(thread):
            record.close()  # no connection may be open during the fork
            self.leave(key)
            raise DisconnectionError  # the pool connects again after the fork
        record.info[_KEY] = key

    def _give_back(self, _connection: Any, record: Any) -> None:
        self.leave(record.info.pop(_KEY, None))
        # Its pool is gone. A child must not close what its parent uses.
        if record.info.pop(_LEFT_BY, None) == os.getpid():
            record.close()
