"""The engine, and what SQLite needs to be told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import StaticPool

__all__ = ["WRITING", "build_engine", "find_sqlite_file", "is_sqlite"]

WRITING = "oauthguard_writing"  # execution option of connections that will write
_BUSY_SECONDS = 10


def build_engine(url: str) -> Engine:
    """An engine for ``url``; connects to nothing yet.

    :raises ValueError: not a database URL, or its driver is not installed. The message never holds the URL.
    """
    try:
        parsed = make_url(url)
        return (
            _build_sqlite(parsed)
            if is_sqlite(parsed)
            # A unit must see what was committed while it waited for a lock, whatever the database's default is.
            else create_engine(parsed, pool_pre_ping=True, hide_parameters=True, isolation_level="READ COMMITTED")
        )
    except ArgumentError:
        raise ValueError("is not a database URL such as sqlite:///oauth.sqlite") from None
    except ImportError as error:
        raise ValueError(f"needs a driver that is not installed: {error.name}") from None


def is_sqlite(url: URL) -> bool:
    """Whether ``url`` is of a SQLite database, whatever the driver."""
    return url.get_backend_name() == "sqlite"


def find_sqlite_file(url: str) -> Path | None:
    """The file of a SQLite URL, or None for a database in memory or elsewhere."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        return None
    name = parsed.database
    if not is_sqlite(parsed) or not name or name == ":memory:" or name.startswith("file:"):
        return None
    return Path(name).absolute()


def _build_sqlite(url: URL) -> Engine:
    file = find_sqlite_file(url.render_as_string(hide_password=False))
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        url = url.set(database=str(file))  # a relative path means where we started, wherever the process goes
    # One connection, since each would be a database of its own; the store lets one unit use it at a time.
    memory: dict[str, Any] = {} if file else {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
    engine = create_engine(url, hide_parameters=True, **memory)
    event.listen(engine, "connect", _set_up_connection)
    event.listen(engine, "begin", _begin)
    return engine


def _set_up_connection(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # sqlite3 must not begin transactions by itself: see _begin
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {int(_BUSY_SECONDS * 1000)}")
    cursor.execute("PRAGMA journal_mode = WAL")  # readers don't wait for the writer
    # Some builds sync only now and then with WAL: a power cut would undo a revocation that was answered.
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin(connection: Connection) -> None:
    """A unit that will write takes the lock first: one that read and then wants to write can't wait, only fail."""
    writing = connection.get_execution_options().get(WRITING)
    # Past SQLAlchemy, for which this is a statement like any other: it would take longer than most that follow.
    driver: Any = connection.connection.driver_connection
    driver.execute("BEGIN IMMEDIATE" if writing else "BEGIN")
