"""Between rows and records: one pair of conversions, made from the fields of a record class.

A field and its column have the same name, so each is written once in the record and once in the model. A column keeps a list
as words with spaces between them, as in RFC 6749; SQLite gives a truth value as a number.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar, get_type_hints

from sqlalchemy import ColumnElement, Table

__all__ = ["Conversion", "as_text", "as_words"]

Record = TypeVar("Record")


@functools.lru_cache(maxsize=1024)
def as_words(text: str) -> tuple[str, ...]:
    """The list in a column. Most rows of a table have the same few lists, and a client has seven of them."""
    return tuple(text.split())


def as_text(words: Sequence[str]) -> str:
    """A list as a column keeps it."""
    return " ".join(words)


_new: Final = object.__new__
_LIST: Final = tuple[str, ...]
#: What a value of a column becomes in a record, by the type of the field; other values stay as they are.
_CONVERSIONS: Final[dict[Any, Callable[[Any], Any]]] = {
    _LIST: as_words,
    bool: bool,
    bool | None: lambda value: None if value is None else bool(value),
}


class Conversion(Generic[Record]):
    """Converts the rows of one record class. Made once, at import: each request converts several rows.

    :param record_class: a frozen dataclass with slots. A field without a column has a default.
    :param table: where it is stored.
    :param elsewhere: columns that only a look-up has, of other tables or computed, by the name of the field.
    :ivar columns: for a SELECT, in the order of the fields.
    :ivar names: the columns of ``table`` that a record fills.
    """

    def __init__(self, record_class: type[Record], table: Table, **elsewhere: ColumnElement[Any]) -> None:
        types, found = get_type_hints(record_class), {**elsewhere, **table.c}
        described = fields(record_class)  # type: ignore[arg-type]  # a TypeVar cannot be bound to dataclasses
        stored = [field.name for field in described if field.name in found]
        self.columns = tuple(found[name] for name in stored)
        self.names = tuple(name for name in stored if name in table.c)
        self._class = record_class
        # Without the constructor, which finds each slot of a frozen class by its name: so this costs less than code by hand.
        self._setters = {field.name: getattr(record_class, field.name).__set__ for field in described}
        self._in_order = tuple(self._setters[name] for name in stored)
        self._converted = tuple(_CONVERSIONS.get(types[name]) for name in stored)
        self._defaults = {field.name: field.default for field in described if field.name not in found}
        if MISSING in self._defaults.values():
            raise TypeError(f"{record_class.__name__} has a field with neither a column nor a default")
        self._lists = tuple(name for name in self.names if types[name] == _LIST)
        self._get = attrgetter(*self.names)

    def as_record(self, row: Sequence[Any], **more: Any) -> Record:
        """The record of a row.

        :param row: the values of :attr:`columns`.
        :param more: of the fields that have no column.
        """
        record = _new(self._class)
        for set_field, convert, value in zip(self._in_order, self._converted, row, strict=True):
            set_field(record, value if convert is None else convert(value))
        for name, default in self._defaults.items():
            self._setters[name](record, more.get(name, default))
        return record

    def as_row(self, record: Record) -> dict[str, Any]:
        """The values of :attr:`names` of a record."""
        row = dict(zip(self.names, self._get(record), strict=True))
        for name in self._lists:
            row[name] = as_text(row[name])
        return row
