"""What the parts of a unit have in common: look-ups, inserts, and the errors of the storage as ours."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, Connection, Table, case, insert, literal_column, or_
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from .conversion import Conversion
from .failures import build_failure
from .prepared import Prepared, find_driver

__all__ = ["Rows", "StorageErrors", "build_revoked"]

Record = TypeVar("Record")
_ERRORS: Final = (SQLAlchemyError, sqlite3.Error)  # the latter at BEGIN and what is prepared


class Rows:
    """Base of the parts of a unit: they all use one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._driver = find_driver(connection)

    def _fetch(self, statement: Prepared, **values: Any) -> list[Any]:
        return statement.fetch(self._connection, self._driver, values)

    def _fetch_record(self, statement: Prepared, conversion: Conversion[Record], wanted: Any) -> Record | None:
        """The record that a statement finds with its parameter ``wanted``, or None."""
        rows = statement.fetch(self._connection, self._driver, {"wanted": wanted})
        return conversion.as_record(rows[0]) if rows else None

    def _run(self, statement: Prepared, values: Mapping[str, Any]) -> int:
        return statement.run(self._connection, self._driver, values)

    def _add_new(self, table: Table, values: Mapping[str, Any]) -> bool:
        """Add a row; False, and nothing added, if the table has one with the same key."""
        try:
            with self._connection.begin_nested():
                self._connection.execute(insert(table).values(**values))
        except IntegrityError:
            return False
        return True


def build_revoked(*ends: ColumnElement[Any]) -> ColumnElement[int]:
    """The column ``revoked`` of a look-up: whether any of these times is set."""
    is_ended = or_(*(end.is_not(None) for end in ends))
    return case((is_ended, literal_column("1")), else_=literal_column("0")).label("revoked")


class StorageErrors:
    """Turns what SQLAlchemy raises inside into an UnavailableError; see :func:`~.failures.describe_failure`."""

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, _ERRORS):
            raise build_failure(error) from error
