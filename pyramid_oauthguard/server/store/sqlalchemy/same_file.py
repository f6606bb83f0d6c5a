"""An application that keeps its own tables in the SQLite file of the server.

SQLite has one writer at a time for the whole file. Where the application has written in the request that is being answered,
its transaction holds the file until that request ends, and a unit of the server in the same request could not get it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pyramid.threadlocal import get_current_request
from sqlalchemy import Connection

from ....errors import UnavailableError

__all__ = ["find_connection", "make_way"]

_OURS: Final = "oauthguard."  # what the names of the server's routes begin with


def make_way(file: Path) -> None:
    """Let a unit of the server write to ``file`` now, although the application may have written to it in this request.

    At an endpoint of the server, what the application has written so far is committed: a later rollback of its
    transaction does not undo it. In a view of the application nothing is committed.

    :raises UnavailableError: a view of the application has written to the file, and its transaction is still open.
    """
    request = get_current_request()
    environ = getattr(request, "environ", None)
    manager = environ.get("tm.manager") if environ else None  # as pyramid_tm says it
    if manager is None:
        return
    route = getattr(request, "matched_route", None)
    act = _commit if route is not None and route.name.startswith(_OURS) else _check
    for _session, connection in _find_connections(manager, file):
        driver: Any = connection.connection.driver_connection
        if driver.in_transaction:
            act(driver)


def find_connection(manager: Any, file: Path) -> tuple[Any, Connection] | None:
    """The application's session that has joined the transaction of ``manager``, and its connection to ``file``."""
    return next(_find_connections(manager, file), None)


def _find_connections(manager: Any, file: Path) -> Iterator[tuple[Any, Connection]]:
    resources = getattr(manager.get(), "_resources", ())  # the public interface lists none
    for session in [getattr(resource, "session", None) for resource in resources]:
        transaction = session.get_transaction() if session is not None else None
        for connection in tuple(getattr(transaction, "_connections", ())):
            if isinstance(connection, Connection) and _is_to(connection, file):
                yield session, connection


def _is_to(connection: Connection, file: Path) -> bool:
    """Asked of SQLite, because a URL may write the path of a file in many ways."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        return False
    path = driver.execute("PRAGMA database_list").fetchone()[2]
    try:
        return bool(path) and file.samefile(path)
    except OSError:
        return False


def _commit(driver: Any) -> None:
    """Commit past SQLAlchemy, so that the session stays open and its objects stay attached; and begin again."""
    driver.execute("COMMIT")
    driver.execute("BEGIN")


def _check(driver: Any) -> None:
    # With isolation_level None the application itself executes BEGIN, and may only have read.
    if driver.isolation_level is not None:
        text = "the view's own transaction has written to the same SQLite file and is still open: pass tm=request.tm"
        raise UnavailableError("storage", text)
