"""SQLAlchemy engines whose connections stay in the process that opened them."""

from __future__ import annotations

import contextlib
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

#: For how long a fork waits for the threads that use SQLite, and they for it.
FORK_PATIENCE_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.0005
_KEY: Final = "oauthguard_use"


def keep_in_process(engine: Engine) -> SQLiteUse | None:
    """Let a child process of a fork use none of the connections of its parent. It begins with an empty pool.

    Nothing is sent on the connections of the parent, which goes on using them.

    With SQLite the fork waits until other threads have given their connections back, other threads wait for the fork, and the
    parent closes the connections. For a thread that is inside of the library during the fork has locks of it, which nothing
    releases in the child. And the library counts its locks on the file per process: a child that inherits a writer's would
    find the database locked for ever; one that inherits an open connection believes that it has the lock of its parent, and
    what it writes can be lost when the parent closes the database.

    NOT covered: a SQLite database in memory, which the fork copies; a SQLite connection that is used for longer than the fork
    waits, or by the thread that forks.

    :param engine: a new one, which has opened no connection yet.
    :return: for SQLite, what counts the threads that use it.
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


class SQLiteUse:
    """Which threads use the connections of an engine, so that none is inside of SQLite while the process forks."""

    _users: dict[object, int]
    _gate: threading.Event | None

    def __init__(self, engine: Engine) -> None:
        self._records: dict[int, weakref.ref[Any]] = {}
        self._start_anew()
        event.listen(engine, "do_connect", self._connect)
        event.listen(engine, "connect", self._note_record)
        event.listen(engine, "checkout", self._take)
        event.listen(engine, "checkin", self._give_back)
        processes.register(engine, _leave_pool, before=self._settle)
        processes.register(self, SQLiteUse._start_anew, after=SQLiteUse._go_on)

    def enter(self) -> object:
        """This thread uses SQLite until it calls :meth:`leave` with the result. Waits for a fork that is under way."""
        key, thread = object(), get_ident()
        self._users[key] = thread
        # Looked at once it is counted, so that no thread slips in.
        while (gate := self._gate) is not None and self._may_wait(thread):
            self.leave(key)
            gate.wait(FORK_PATIENCE_SECONDS)
            self._users[key] = thread
        return key

    def leave(self, key: object) -> None:
        """The other end of :meth:`enter`."""
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
        """Count its check-out of the pool no longer: who keeps it at hand counts its uses."""
        self.leave(connection.info.pop(_KEY, None))

    def settle(self) -> None:
        """Before a fork: let no thread begin to use SQLite, and wait for those that do."""
        if self._forking.acquire(timeout=FORK_PATIENCE_SECONDS):
            self._gate = self._gate or threading.Event()
        deadline, own = time.monotonic() + FORK_PATIENCE_SECONDS, get_ident()
        while time.monotonic() < deadline and any(thread != own for thread in list(self._users.values())):
            time.sleep(_POLL_SECONDS)

    def _may_wait(self, thread: int) -> bool:
        """Not while the fork waits for this very thread, because it is in another unit already."""
        return list(self._users.values()).count(thread) == 1

    def _settle(self, engine: Engine) -> None:
        self.settle()
        records = [record for record in (each() for each in list(self._records.values())) if record is not None]
        engine.dispose()
        for record in records:
            if not record.in_use:  # given back to a pool that had been disposed of before
                record.close()

    def _go_on(self) -> None:
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.set()
        with contextlib.suppress(RuntimeError):
            while True:  # as often as this thread has acquired it
                self._forking.release()

    def _start_anew(self) -> None:
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
            record.close()  # the fork must not find it open
            self.leave(key)
            raise DisconnectionError  # the pool connects again, once the process has forked
        record.info[_KEY] = key

    def _give_back(self, _connection: Any, record: Any) -> None:
        self.leave(record.info.pop(_KEY, None))
