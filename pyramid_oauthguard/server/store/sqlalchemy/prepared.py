"""Statements that run in every request: SQLAlchemy writes them once, and SQLite's driver runs them.

What SQLAlchemy does around a statement costs some sixty microseconds, and SQLite's part ten. With the other drivers, whose
errors and connections want more care, a statement goes through SQLAlchemy as any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import Connection
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.sql.expression import Executable

__all__ = ["Prepared", "find_driver"]

_DIALECT: Final = pysqlite.dialect(paramstyle="qmark")


class Prepared:
    """A statement without values; they are given by name when it runs.

    NOT done on SQLite: the conversion of values. Text, bytes, numbers and None are what both sides have in common; a truth
    value comes back as a number.

    :param columns: of an INSERT: the ones that are given values.
    """

    def __init__(self, statement: Executable, columns: Iterable[str] = ()) -> None:
        self.statement = statement
        self._columns = tuple(columns)
        self._compiled: tuple[str, tuple[str, ...]] | None = None

    def fetch(self, connection: Connection, driver: Any, values: Mapping[str, Any]) -> list[Any]:
        """All rows, each as a tuple in the order of the columns.

        :param driver: of :func:`find_driver`.
        """
        if driver is None:
            return list(connection.execute(self.statement, values))
        text, names = self._compiled or self._compile()
        rows: list[Any] = driver.execute(text, [values[name] for name in names]).fetchall()
        return rows

    def run(self, connection: Connection, driver: Any, values: Mapping[str, Any]) -> int:
        """How many rows it added or changed."""
        if driver is None:
            return connection.execute(self.statement, values).rowcount
        text, names = self._compiled or self._compile()
        count: int = driver.execute(text, [values[name] for name in names]).rowcount
        return count

    def _compile(self) -> tuple[str, tuple[str, ...]]:
        """At the first use. Threads may do it twice: a lock for it, as ``cached_property`` has one, could outlive a fork."""
        compiled: Any = self.statement.compile(  # type: ignore[attr-defined]
            dialect=_DIALECT, column_keys=list(self._columns) or None
        )
        self._compiled = str(compiled), tuple(compiled.positiontup)
        return self._compiled


def find_driver(connection: Connection) -> Any:
    """The connection of Python's own SQLite driver, or None if there is another one."""
    return connection.connection.driver_connection if connection.dialect.driver == "pysqlite" else None
