"""The engine, and the settings of SQLite's connections."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import StaticPool

from ....private_files import make_private_folder, protect_database
from ...time_limits import SQLITE_LOCK_SECONDS, TimeLimits, apply_limits, as_milliseconds, build_arguments

__all__ = ["WRITING", "build_engine", "find_sqlite_file", "is_sqlite"]

WRITING = "oauthguard_writing"  # execution option of connections that will write
_DEFAULT = TimeLimits()
_LONGEST_MILLISECONDS = 2**31 - 1
_NOT_ENCODED = (
    "has a port that is not a number, or an @ in the user or the password (write it %40, in an ini file %%40)"
)


def build_engine(url: str, limits: TimeLimits = _DEFAULT) -> Engine:
    """An engine for ``url``; connects to nothing yet.

    :param limits: how long the database may take, unless the URL contains limits.
    :raises ValueError: not a database URL, or its driver is not installed. The message never holds the URL.
    """
    try:
        parsed = _parse(url)
        return _build_sqlite(parsed, limits) if is_sqlite(parsed) else _build_other(parsed, limits)
    except ArgumentError:
        raise ValueError("is not a database URL such as sqlite:///oauth.sqlite") from None
    except ImportError as error:
        raise ValueError(f"needs a driver that is not installed: {error.name}") from None


def _parse(url: str) -> URL:
    """The URL, after a check that its host contains no part of a password: drivers name the host in their errors."""
    try:
        parsed = make_url(url)
    except ValueError:  # the error quotes the text in the place of the port
        raise ValueError(_NOT_ENCODED) from None
    if "@" in (parsed.host or ""):
        raise ValueError(_NOT_ENCODED)
    return parsed


def is_sqlite(url: URL) -> bool:
    """Whether ``url`` is of a SQLite database, with any driver."""
    return url.get_backend_name() == "sqlite"


def find_sqlite_file(url: str) -> Path | None:
    """The file of a SQLite URL, or None for a database in memory or elsewhere."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return None
    name = parsed.database
    if not is_sqlite(parsed) or not name or name == ":memory:" or name.startswith("file:"):
        return None
    return Path(name).absolute()


def _build_other(url: URL, limits: TimeLimits) -> Engine:
    # A unit must see what was committed while it waited for a lock, so the database's default is not used.
    level = {"isolation_level": "READ COMMITTED", "hide_parameters": True}
    engine = create_engine(url, pool_pre_ping=True, **level, **build_arguments(url, limits))
    apply_limits(engine, limits)
    return engine


def _build_sqlite(url: URL, limits: TimeLimits) -> Engine:
    file = find_sqlite_file(url.render_as_string(hide_password=False))
    if file is not None:
        make_private_folder(file.parent)
        url = url.set(database=str(file))  # the process may change its folder later
    # One connection, since each would be a database of its own; the store lets one unit use it at a time.
    memory: dict[str, Any] = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
    engine = create_engine(url, hide_parameters=True, **({"pool_timeout": limits.pool or None} if file else memory))
    _keep_private(engine, file, url)
    # The URL's own `timeout` is the driver's name for this.
    if "timeout" not in url.query:
        event.listen(engine, "connect", _build_waiter(SQLITE_LOCK_SECONDS if limits.lock is None else limits.lock))
    event.listen(engine, "connect", _set_up_connection)
    event.listen(engine, "begin", _begin)
    return engine


def _keep_private(engine: Engine, file: Path | None, url: URL) -> None:
    """Let no other user of the machine read the database: before each connection, or after it where only SQLite
    knows the file."""
    if file is not None:

        def protect(*_args: Any) -> None:
            protect_database(file)

        event.listen(engine, "do_connect", protect)
    elif (url.database or "").startswith("file:"):
        event.listen(engine, "connect", _protect_connected)


def _protect_connected(connection: Any, _record: Any) -> None:
    for _number, _name, path in connection.execute("PRAGMA database_list").fetchall():
        if path:
            protect_database(Path(path))


def _build_waiter(seconds: float) -> Callable[[Any, Any], None]:
    """Set how long a connection waits for another program's lock; 0 for the longest time that SQLite supports."""
    milliseconds = min(as_milliseconds(seconds), _LONGEST_MILLISECONDS) or _LONGEST_MILLISECONDS

    def wait(connection: Any, _record: Any) -> None:
        connection.execute(f"PRAGMA busy_timeout = {milliseconds}").close()

    return wait


def _set_up_connection(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # sqlite3 must not begin transactions by itself: see _begin
    try:
        connection.execute("PRAGMA journal_mode = WAL").close()  # readers don't wait for the writer
        # Some builds sync only now and then with WAL: a power cut would undo a revocation that was answered.
        connection.execute("PRAGMA synchronous = FULL").close()
        connection.execute("PRAGMA foreign_keys = ON").close()
    except Exception:
        connection.close()  # a database that is read-only, or none; the pool does not know the connection yet
        raise


def _begin(connection: Connection) -> None:
    """A unit that will write takes the lock first: after a read, SQLite would refuse the write at once instead of
    waiting."""
    writing = connection.get_execution_options().get(WRITING)
    # Past SQLAlchemy, for which this is a statement like any other: it would take longer than most that follow.
    driver: Any = connection.connection.driver_connection
    driver.execute("BEGIN IMMEDIATE" if writing else "BEGIN")
