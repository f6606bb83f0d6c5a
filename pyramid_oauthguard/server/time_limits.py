"""How long the database may take, so that requests do not wait for a database that does not answer.

PostgreSQL ends a statement by itself, but not while it is stopped, and not when the network loses its answer. So with
psycopg the client measures the time, too: a connection without an answer is closed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

__all__ = [
    "SQLITE_LOCK_SECONDS",
    "TimeLimits",
    "apply_limits",
    "as_milliseconds",
    "build_arguments",
    "is_no_answer",
    "lift_limits",
]

#: SQLite has one writer at a time, and each commit is synced: waiting for it takes longer than for a row.
SQLITE_LOCK_SECONDS: Final = 10.0
_LOCK_SECONDS: Final = 2.0
#: A pooled connection is checked. It counts as dead after this part of the time for a new connection.
_PING_PART: Final = 0.5
#: The client waits this much longer than the server's limit, because the server's own refusal names the cause.
_MARGIN_SECONDS: Final = 0.5
_LEAST_CONNECT_SECONDS: Final = 2  # libpq takes less for this
_LIBPQ: Final = frozenset({"psycopg", "psycopg2"})
#: In the info of a pooled connection: the limits that each of its transactions sets.
_PER_TRANSACTION: Final = "oauthguard_limits"
#: The system's own limits for a connection whose other end is gone: 10 + 2 * 5 seconds, or 5 with data on its way.
_SOCKET: Final = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 5000,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimits:
    """All in seconds; 0 for no limit.

    :ivar connect: for a connection.
    :ivar statement: for a statement.
    :ivar lock: for the lock of another transaction; None for 2, and for 10 with SQLite.
    :ivar pool: for a connection of the pool that is not in use.
    """

    connect: float = 2.0
    statement: float = 3.0
    lock: float | None = None
    pool: float = 2.0


def as_milliseconds(seconds: float) -> int:
    """At least one if there is a limit, because 0 means no limit."""
    return math.ceil(seconds * 1000)


def build_arguments(url: Any, limits: TimeLimits) -> dict[str, Any]:
    """What ``create_engine`` is given for a database that is not SQLite. The URL takes precedence."""
    arguments: dict[str, Any] = {}
    if url.get_driver_name() in _LIBPQ:
        given = dict(_SOCKET)
        if limits.connect:
            given["connect_timeout"] = max(_LEAST_CONNECT_SECONDS, math.ceil(limits.connect))
        arguments["connect_args"] = {name: value for name, value in given.items() if name not in url.query}
    return {**arguments, "pool_timeout": limits.pool or None}


def apply_limits(engine: Any, limits: TimeLimits) -> None:
    """Let each new connection to PostgreSQL have the limits. ``options`` in the URL take precedence.

    The limits of statements and locks are set with a statement: connection poolers refuse them at the start. A pooler
    such as PgBouncer may give each transaction another connection, so behind it each transaction sets them for itself,
    and ``options`` are not looked at.
    """
    from sqlalchemy import event  # the ground floor works without it

    if engine.dialect.name != "postgresql":
        return
    lock = _LOCK_SECONDS if limits.lock is None else limits.lock
    wanted = {"statement_timeout": limits.statement, "lock_timeout": lock}
    event.listen(engine, "connect", _build_setter(wanted, options=str(engine.url.query.get("options", ""))))
    event.listen(engine, "begin", _limit_transaction)
    if engine.dialect.driver == "psycopg":
        event.listen(engine, "do_connect", _connect_patiently)


def lift_limits(engine: Any) -> None:
    """Let statements on new connections take as long as they need, for programs for which no request waits. A database
    that does not answer at all is still noticed when a connection is taken.
    """
    from sqlalchemy import event

    if engine.dialect.name == "postgresql":
        event.listen(engine, "connect", _build_setter({"statement_timeout": 0.0}))


def is_no_answer(error: BaseException) -> bool:
    """Whether a failure of SQLAlchemy's means that the database did not answer within a limit of the client."""
    origin = getattr(error, "orig", None)
    return getattr(origin, "is_no_answer", False) or type(origin).__name__ == "ConnectionTimeout"


def _build_setter(wanted: dict[str, float], *, options: str = "") -> Callable[[Any, Any], None]:
    of_session = {name: seconds for name, seconds in wanted.items() if name not in options}

    def set_limits(connection: Any, record: Any) -> None:
        try:
            if _PER_TRANSACTION in record.info or _is_pooled(connection):
                record.info[_PER_TRANSACTION] = {**record.info.get(_PER_TRANSACTION, {}), **wanted}
                allowed = wanted["statement_timeout"]
            else:
                allowed = _limit_session(connection, of_session)
        except BaseException:
            connection.close()  # the pool has not taken it yet
            raise
        if hasattr(connection, "patience_seconds"):
            connection.patience_seconds = allowed + _MARGIN_SECONDS if allowed else None

    return set_limits


def _is_pooled(connection: Any) -> bool:
    """Whether the process that answers is another one than the driver was told of: a pooler stands between. What a
    session has set or prepared is then lost, or belongs to another program."""
    told = getattr(getattr(connection, "info", None), "backend_pid", None)  # psycopg and psycopg2 have it
    if told is None or told == _fetch(connection, "SELECT pg_backend_pid()"):
        return False
    if hasattr(connection, "prepare_threshold"):
        connection.prepare_threshold = None
    return True


def _limit_session(connection: Any, wanted: dict[str, float]) -> float:
    """The limit of statements that there is now, in seconds."""
    if wanted:
        _fetch(connection, _compose(wanted, local=False))
    return float(_fetch(connection, "SELECT extract(epoch FROM current_setting('statement_timeout')::interval)"))


def _limit_transaction(connection: Any) -> None:
    wanted = connection.info.get(_PER_TRANSACTION)
    if wanted:
        connection.exec_driver_sql(_compose(wanted, local=True)).close()


def _compose(wanted: dict[str, float], *, local: bool) -> str:
    scope = "true" if local else "false"
    each = (f"set_config('{name}', '{as_milliseconds(limit)}', {scope})" for name, limit in wanted.items())
    return f"SELECT {', '.join(each)}"


def _fetch(connection: Any, statement: str) -> Any:
    cursor = connection.cursor()
    cursor.execute(statement)
    found = cursor.fetchone()[0]
    cursor.close()
    connection.commit()
    return found


def _connect_patiently(dialect: Any, _record: Any, arguments: list[Any], named: dict[str, Any]) -> Any:
    connection = _find_class(dialect.loaded_dbapi).connect(*arguments, **named)
    limit = float(named.get("connect_timeout") or 0)
    connection.ping_seconds = limit * _PING_PART if limit > 0 else None
    return connection


@cache
def _find_class(psycopg: Any) -> Any:
    """psycopg's connection, which waits for each answer no longer than ``patience_seconds``, and outside of a transaction no
    longer than ``ping_seconds``; None for no limit.
    """

    class NoAnswerError(psycopg.OperationalError):
        is_no_answer = True

    class PatientConnection(psycopg.Connection):
        patience_seconds: float | None = float(_LEAST_CONNECT_SECONDS)
        ping_seconds: float | None = None

        def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
            # Outside of a transaction there are only the questions of the pool whether the connection is alive.
            patience = self.ping_seconds if self.autocommit else self.patience_seconds
            if patience is not None:
                gen = self._watch(gen, patience)
            return super().wait(gen, *args, **kwargs)

        def _watch(self, gen: Any, patience: float) -> Generator[Any, Any, Any]:
            """Pass on what psycopg waits for; it returns without a result ten times a second."""
            deadline = time.monotonic() + patience
            try:
                wanted = next(gen)
                while True:
                    ready = yield wanted
                    if not ready and time.monotonic() >= deadline:
                        # The result of the statement is unknown, so nothing else may be sent on this connection.
                        self.pgconn.finish()
                        raise NoAnswerError(f"no answer within {patience:g} seconds")
                    wanted = gen.send(ready)
            except StopIteration as end:
                return end.value

    return PatientConnection
