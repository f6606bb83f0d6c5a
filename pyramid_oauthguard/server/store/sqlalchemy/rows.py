"""Between rows and records: lists as words, and the errors of the storage as ours."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from .failures import build_failure
from .prepared import Prepared, find_driver

__all__ = ["Rows", "as_text", "as_words", "storage_errors"]


class Rows:
    """Base of the parts of a unit: they all speak through one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._driver = find_driver(connection)

    def _fetch(self, statement: Prepared, **values: Any) -> list[Any]:
        return statement.fetch(self._connection, self._driver, values)

    def _run(self, statement: Prepared, values: dict[str, Any]) -> int:
        return statement.run(self._connection, self._driver, values)


def as_words(text: str) -> tuple[str, ...]:
    """The list in a column."""
    return tuple(text.split())


def as_text(words: Iterable[str]) -> str:
    """A list as a column keeps it."""
    return " ".join(words)


@contextmanager
def storage_errors() -> Iterator[None]:
    """Turn what SQLAlchemy raises into an UnavailableError; see :func:`~.failures.describe_failure`."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:  # the latter at BEGIN and what is prepared
        raise build_failure(error) from error
