"""The database of the example: one engine an application, one session a request, joined to pyramid_tm."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import zope.sqlalchemy
from pyramid.config import Configurator
from pyramid.request import Request
from sqlalchemy import Engine, create_engine, event, exc
from sqlalchemy.engine import URL, make_url
from sqlalchemy.orm import Session, configure_mappers

from pyramid_oauthguard.engines import keep_in_process
from pyramid_oauthguard.errors import SettingError
from pyramid_oauthguard.outages import name_cause
from pyramid_oauthguard.private_files import protect_database
from pyramid_oauthguard.server.time_limits import TimeLimits, apply_limits, build_arguments

from .files import make_folder
from .models import Base

__all__ = ["open_session"]

_ENGINE = "example_app.engine"
_TABLES = "example_app.tables"
_BUSY_SECONDS = 30
_LIMITS = TimeLimits()
_log = logging.getLogger(__name__)
# Held until the transaction ends. Any number that no other program uses in this database.
_LOCKS = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(6543)"}


def includeme(config: Configurator) -> None:
    """``request.db``: a session whose work is committed when the request succeeds and undone when it doesn't."""
    settings = config.get_settings()
    settings.setdefault("tm.manager_hook", "pyramid_tm.explicit_manager")
    settings.setdefault("tm.commit_veto", "pyramid_tm.default_commit_veto")
    config.include("pyramid_tm")
    engine = _build_engine(settings)
    keep_in_process(engine)  # forked workers make their own connections
    configure_mappers()  # at the first query it would be under a lock, which a fork could leave locked
    config.registry[_ENGINE] = engine
    config.registry[_TABLES] = tables = _Tables(engine)
    try:
        tables.require()
    except exc.OperationalError as error:
        if engine.dialect.name == "sqlite":
            raise
        _log.error("The database can't be used yet: %s", name_cause(error))
    engine.dispose()
    config.add_request_method(_open_request_session, "db", reify=True)


def open_session(registry: Any) -> Session:
    """A session outside of any request; its caller commits and closes it."""
    registry[_TABLES].require()
    return Session(registry[_ENGINE])


def _open_request_session(request: Request) -> Session:
    session = open_session(request.registry)
    zope.sqlalchemy.register(session, transaction_manager=request.tm)
    request.add_finished_callback(lambda _request: session.close())
    return session


def _build_engine(settings: Any) -> Engine:
    url = _read_url(settings)
    if url.get_backend_name() != "sqlite":
        engine = create_engine(url, pool_pre_ping=True, **build_arguments(url, _LIMITS))
        apply_limits(engine, _LIMITS)
        return engine
    # A writing transaction takes the lock when it begins and waits for it: taken later, SQLite would refuse at once.
    engine = create_engine(url, connect_args={"isolation_level": "IMMEDIATE", "timeout": _BUSY_SECONDS})
    event.listen(engine, "connect", _prepare_sqlite)
    if url.database and url.database != ":memory:":
        file = Path(url.database)
        make_folder(file.parent)
        event.listen(engine, "do_connect", lambda *_args: protect_database(file))
    return engine


def _read_url(settings: Any) -> URL:
    text = settings.get("sqlalchemy.url")
    if not text:
        raise SettingError("sqlalchemy.url", "is required", "such as sqlite:///%(here)s/var/customers.sqlite")
    try:
        return make_url(text)
    except exc.ArgumentError:
        # Not the value: it may hold a password.
        raise SettingError("sqlalchemy.url", "is not an SQLAlchemy URL") from None


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")  # readers do not wait for the writer
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


class _Tables:
    """Whether the tables are known to be there: the database may be away when the application starts."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._are_there = False

    def require(self) -> None:
        """Make those that are missing, once."""
        if not self._are_there:
            _create_tables(self._engine)
            self._are_there = True


def _create_tables(engine: Engine) -> None:
    """Make the tables that are missing. Processes that start together do it one after the other."""
    with engine.begin() as connection:
        lock = _LOCKS.get(engine.dialect.name)
        if lock:
            connection.exec_driver_sql(lock)
        Base.metadata.create_all(connection)
