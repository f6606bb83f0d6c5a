"""Units of work: one connection, one transaction, and the callbacks after its commit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection, Engine, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool
from zope.interface import implementer

from .... import processes
from ....engines import FORK_PATIENCE_SECONDS, keep_in_process
from ....errors import UnavailableError
from ....interfaces import IOAuthStore
from ...time_limits import SQLITE_LOCK_SECONDS, lift_limits
from ..contract import Unit
from . import schema
from .connections import Connections
from .engine import WRITING, find_sqlite_file
from .queries.assertions import AssertionQueries
from .queries.audit import AuditQueries
from .queries.clients import ClientQueries
from .queries.codes import CodeQueries
from .queries.consents import ConsentQueries
from .queries.devices import DeviceQueries
from .queries.keys import KeyQueries
from .queries.refresh import RefreshQueries
from .queries.self_registration import SelfRegistrationQueries
from .queries.tokens import TokenQueries
from .queries.upkeep import UpkeepQueries
from .rows import StorageErrors
from .same_file import find_connection, make_way
from .turns import Turn

__all__ = ["SQLAlchemyStore", "SQLAlchemyUnit"]

#: A transaction that takes longer was not committed when its statements ran.
_SLOW_SECONDS: Final = 1.0
Later: TypeAlias = "Callable[[SQLAlchemyUnit], None]"
_READERS: Final = 4  # as many as threads that usually read at once; fewer than the pool has


class SQLAlchemyUnit(
    ClientQueries,
    SelfRegistrationQueries,
    CodeQueries,
    ConsentQueries,
    TokenQueries,
    RefreshQueries,
    DeviceQueries,
    AssertionQueries,
    KeyQueries,
    AuditQueries,
    UpkeepQueries,
):
    """See :class:`~pyramid_oauthguard.server.store.contract.Unit`."""

    def __init__(
        self, connection: Connection, callbacks: list[Callable[[], None]], later: Callable[[Later], None]
    ) -> None:
        super().__init__(connection)
        self._callbacks = callbacks
        self._later = later

    def after_commit(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)

    def use_refresh_token(self, hashed: bytes, successor_id: str, now: float) -> bool:
        begun, sqlite = time.monotonic(), self._connection.dialect.name == "sqlite"
        won = super().use_refresh_token(hashed, successor_id, now)

        def date() -> None:
            elapsed = time.monotonic() - begun
            if not sqlite or (won and elapsed > _SLOW_SECONDS):
                self._later(lambda unit: unit.date_refresh_use(hashed, now + elapsed, won=won))

        self.after_commit(date)
        return won


@implementer(IOAuthStore)
class SQLAlchemyStore:
    """See :class:`~pyramid_oauthguard.server.store.contract.Store`.

    :param lock_seconds: how long a thread waits for others of this process, with SQLite; 0 for no limit.
    """

    def __init__(self, engine: Engine, *, lock_seconds: float = SQLITE_LOCK_SECONDS) -> None:
        self._engine = engine
        self._lock_seconds = lock_seconds
        self._writer = engine.execution_options(**{WRITING: True})
        # A database in memory is one connection, which one unit may use at a time.
        shared, sqlite = isinstance(engine.pool, StaticPool), engine.dialect.name == "sqlite"
        self._shared, self._sqlite = shared, sqlite
        self._renew_locks()
        self._file = find_sqlite_file(engine.url.render_as_string()) if sqlite else None
        self._use = keep_in_process(engine)
        self._for_reading = Connections(engine, keep=_READERS if self._use else 0, use=self._use)
        self._for_writing = Connections(self._writer, keep=1 if self._use else 0, use=self._use)
        before = (SQLAlchemyStore._wait if shared else SQLAlchemyStore._settle) if sqlite else None
        after = SQLAlchemyStore._go_on if shared else None
        processes.register(self, SQLAlchemyStore._leave_parent, before=before, after=after)

    def create_tables(self) -> None:
        """Make the tables in a database that has none; for SQLite, and for tests. Elsewhere migrations do it."""
        with StorageErrors(), self._turn, self._writer.begin() as connection:
            schema.create_tables(connection)

    def prepare(self) -> None:
        """Make the tables in a SQLite database that has none, and check those that are there.

        :raises UnavailableError: see :meth:`check_tables`.
        """
        try:
            self.check_tables()
        except UnavailableError as error:
            if error.reason != "no_tables" or self._engine.dialect.name != "sqlite":
                raise
            self.create_tables()

    def check_tables(self) -> None:
        """:raises UnavailableError: they are missing, or of another release; or the database can't be reached."""
        with StorageErrors(), self._turn, self._engine.connect() as connection:
            schema.check_revision(connection)

    def lift_time_limits(self) -> None:
        """Let statements take as long as they need, for programs that no request waits for."""
        lift_limits(self._engine)
        self.close()

    def close(self) -> None:
        """Close the connections that no unit uses; new ones are made as needed."""
        if self._shared:
            return
        self._for_reading.close()
        self._for_writing.close()
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Unit]:
        with StorageErrors(), self._turn, self._for_reading.lend() as connection:
            yield SQLAlchemyUnit(connection, [], self._do_later)

    @contextmanager
    def writing(self) -> Iterator[Unit]:
        if self._file is not None:
            make_way(self._file)
        callbacks: list[Callable[[], None]] = []
        with StorageErrors(), self._write_turn, self._for_writing.lend() as connection:
            mark = self._for_writing.mark()
            connection.begin()
            yield SQLAlchemyUnit(connection, callbacks, self._do_later)
            self._for_writing.check(mark)
            connection.commit()
        for callback in callbacks:
            callback()

    @contextmanager
    def join(self, manager: Any) -> Iterator[Unit]:
        import zope.sqlalchemy

        callbacks: list[Callable[[], None]] = []
        with StorageErrors():
            session, connection = self._find_joined(manager) or self._join(manager)
            yield SQLAlchemyUnit(connection, callbacks, self._do_later)
            zope.sqlalchemy.mark_changed(session, transaction_manager=manager)
        manager.get().addAfterCommitHook(_call_all, args=(callbacks,))

    def _do_later(self, do: Later) -> None:
        """A write in a transaction of its own. It may be lost without harm, so it need not be on the disk at once."""
        with suppress(UnavailableError), self.writing() as opened:
            unit: Any = opened
            if self._engine.dialect.name == "postgresql":
                unit._connection.execute(text("SET LOCAL synchronous_commit TO off"))
            do(unit)

    def _find_joined(self, manager: Any) -> tuple[Any, Connection] | None:
        """Only one connection can write to a SQLite file. If the application has one in this transaction, this one is
        used."""
        return None if self._file is None else find_connection(manager, self._file)

    def _join(self, manager: Any) -> tuple[Any, Connection]:
        import zope.sqlalchemy

        session = Session(self._writer)
        zope.sqlalchemy.register(session, transaction_manager=manager)
        return session, session.connection()

    def _renew_locks(self) -> None:
        self._lock = threading.RLock()
        lock = Turn(self._lock, self._lock_seconds)
        self._turn: AbstractContextManager[Any] = lock if self._shared else nullcontext()
        # SQLite has one writer at a time, and waiting for it means polling: our threads queue here instead.
        self._write_turn: AbstractContextManager[Any] = lock if self._sqlite else nullcontext()

    def _wait(self) -> None:
        """Before a fork, with a database in memory: let the unit of another thread end."""
        self._lock.acquire(timeout=FORK_PATIENCE_SECONDS)

    def _go_on(self) -> None:
        with suppress(RuntimeError):  # it was not acquired in time
            self._lock.release()

    def _settle(self) -> None:
        """Before a fork, with a SQLite file: let the units of other threads end, and keep no connection."""
        if self._use is not None:
            self._use.settle()
        self._for_reading.close()
        self._for_writing.close()

    def _leave_parent(self) -> None:
        """In a child of a fork."""
        self._renew_locks()
        self._for_reading.leave_parent()
        self._for_writing.leave_parent()


def _call_all(committed: bool, callbacks: list[Callable[[], None]]) -> None:
    for callback in callbacks if committed else ():
        callback()
