"""The storage and the pepper that hashes its values. Each is useless without the other, so they are opened together."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from ..errors import SettingError, UnavailableError
from .hashing import Pepper, load_pepper
from .keys.making import KeyMaker
from .settings import PREFIX, ServerSettings
from .store.checked import CheckedStore
from .store.contract import Store
from .time_limits import SQLITE_LOCK_SECONDS

__all__ = ["open_storage"]

log = logging.getLogger("pyramid_oauthguard.server")
_URL: Final = f"{PREFIX}.sqlalchemy.url"
_PEPPER: Final = f"{PREFIX}.pepper_file"
_RESTORE: Final = (
    "restore the file from its backup; if it is lost, nothing that is stored can be used: start with an empty database"
)
#: Errors of a SQLite file that may end without a restart: another program's lock, a full disk.
_PASSING: Final = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR")


def open_storage(settings: ServerSettings, own: Store | None, *, settle: Callable[[], None]) -> tuple[Store, Pepper]:
    """The store and the pepper. A SQLite database gets its tables now, and the first start makes the pepper.

    A database that is down, or has the tables of a newer release, does not stop start-up: requests check it again. NOT
    checked then: whether the pepper fits; the first request that reaches the database does that.

    :param own: the store of the application. It is checked only now.
    :param settle: called after each unit of our own store that worked.
    :raises SettingError: the database or the pepper cannot be used, or they do not belong together.
    :raises UnavailableError: the pepper has to be made, and whether the database is empty cannot be found out now.
    """
    store = _build_store(settings) if own is None else own
    try:
        pepper = _load_pepper(settings, store, own_store=own is not None)
        check = partial(_check_fit, pepper=pepper)
        if own is None:
            store = CheckedStore(store, check, settle=settle)
        _check_now(store.check if isinstance(store, CheckedStore) else partial(check, store), settings)
    finally:
        close = getattr(store, "close", None) if own is None else None
        if close is not None:
            close()
    return store, pepper


def _build_store(settings: ServerSettings) -> Store:
    from .store.sqlalchemy import SQLAlchemyStore
    from .store.sqlalchemy.engine import build_engine

    try:
        limits = settings.time_limits
        lock_seconds = SQLITE_LOCK_SECONDS if limits.lock is None else limits.lock
        return SQLAlchemyStore(build_engine(settings.sqlalchemy_url, limits), lock_seconds=lock_seconds)
    except (ValueError, OSError) as error:
        raise SettingError(_URL, str(error)) from None


def _load_pepper(settings: ServerSettings, store: Store, *, own_store: bool) -> Pepper:
    file = _find_pepper_file(settings, own_store=own_store)
    if file is None:
        return Pepper(secrets.token_bytes(32))
    if not file.exists():
        _check_empty(store, file, settings)
    return load_pepper(file)


def _find_pepper_file(settings: ServerSettings, *, own_store: bool) -> Path | None:
    """None for a SQLite database in memory: its pepper lives as long as it.

    :raises SettingError: none is named and the database is not SQLite.
    """
    from .store.sqlalchemy.engine import find_sqlite_file

    if settings.pepper_file is not None:
        return settings.pepper_file
    database = find_sqlite_file(settings.sqlalchemy_url)
    if database is not None and not own_store:
        return database.with_name(database.name + ".pepper")
    if settings.sqlalchemy_url.startswith("sqlite") and not own_store:
        return None
    raise SettingError(_PEPPER, "is required with this storage", "name a file that only we can read")


def _check_empty(store: Any, file: Path, settings: ServerSettings) -> None:
    """Called before a pepper is made: if another pepper had hashed the data, it would silently become useless."""
    try:
        prepare = getattr(store, "prepare", None)
        if prepare is not None:
            prepare()
        with store.reading() as unit:
            is_empty = not unit.list_keys() and not unit.list_clients(limit=1)
    except UnavailableError as error:
        _judge(error, settings, is_needed=True)
        problem = f"the database can't be used ({error.detail}): is it running, and is {_URL} right?"
        pepper = f"{_PEPPER} does not exist, and is only made while the database is known to be empty: {file}"
        raise error.repeat(f"{problem} {pepper}") from error
    if not is_empty and not file.exists():  # otherwise another process has just made it, before its first row
        raise SettingError(_PEPPER, f"does not exist, but the database has data: {file}", _RESTORE)


def _check_fit(store: Any, *, pepper: Pepper) -> None:
    """:raises UnavailableError: the tables are of another release, or the pepper of another database."""
    prepare = getattr(store, "prepare", None)
    if prepare is not None:
        prepare()
    with store.reading() as unit:
        keys = unit.list_keys()
    maker = KeyMaker(pepper)
    if keys and not any(maker.can_open(key) for key in keys):
        text = "the pepper is not the one that the data was stored with"
        raise UnavailableError("wrong_pepper", text, lasting=True)


def _check_now(check: Callable[[], None], settings: ServerSettings) -> None:
    try:
        check()
    except UnavailableError as error:
        _judge(error, settings, is_needed=False)
        log.error("the storage can't be used yet, requests are answered 503 until it can: %s", error)


def _judge(error: UnavailableError, settings: ServerSettings, *, is_needed: bool) -> None:
    """:raises SettingError: waiting does not help."""
    if error.reason == "wrong_pepper":
        raise SettingError(_PEPPER, error.detail, _RESTORE) from error
    if error.reason in {"no_tables", "other_tables"}:
        raise SettingError(_URL, error.detail, "run: oauthguard server upgrade INI") from error
    if error.reason == "foreign_tables":
        raise SettingError(_URL, error.detail, "name another database") from error
    if error.reason == "newer_tables" and is_needed:
        raise SettingError(_URL, error.detail) from error
    passes = any(code in error.detail for code in _PASSING)
    if error.reason == "storage" and settings.sqlalchemy_url.startswith("sqlite") and not passes:
        raise SettingError(_URL, f"can't be opened: {error.detail}") from error
