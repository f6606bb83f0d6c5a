"""What a body or a query may hold. Everything not named here is refused by name."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any, Final

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from .money import as_units
from .problems import WrongField

__all__ = ["Amount", "NewCharge", "NewCustomer", "Page", "find_errors"]

PAGE_SIZE: Final = 50
MAX_PAGE_SIZE: Final = 200
_MAX_ID: Final = 2**63 - 1
_SHOWN: Final = 100
_CONTROLS: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})


class _Strict(Schema):
    class Meta:
        """Options of marshmallow."""

        unknown = RAISE


class _Name(fields.String):
    """Text of people: no control characters (PostgreSQL stores no NUL) and no half of a surrogate pair (no UTF-8)."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs).strip()
        if any(unicodedata.category(char) in _CONTROLS for char in text):
            raise ValidationError("must not hold control characters")
        return text


class Amount(fields.Field[int]):
    """An amount of money, as decimal text or a JSON number; in smallest units after loading."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        try:
            return as_units(value)
        except ValueError as error:
            raise ValidationError(str(error)) from error


class _Count(fields.Field[int]):
    """A whole number in a query, of ASCII digits."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if not isinstance(value, str) or not (value.isascii() and value.isdigit()) or len(value) > 19:
            raise ValidationError("must be a whole number")
        return int(value)


class NewCustomer(_Strict):
    """The body of POST /customers."""

    name = _Name(required=True, validate=validate.Length(1, 200, error="must have 1 to 200 characters"))
    balance = Amount(load_default=0)


class NewCharge(_Strict):
    """The body of POST /customers/{id}/charges."""

    amount = Amount(required=True, validate=validate.Range(min=1, error="must be more than 0"))


class Page(_Strict):
    """The query of GET /customers."""

    limit = _Count(
        load_default=PAGE_SIZE, validate=validate.Range(1, MAX_PAGE_SIZE, error=f"must be 1 to {MAX_PAGE_SIZE}")
    )
    after = _Count(load_default=0, validate=validate.Range(max=_MAX_ID, error="is not the id of a customer"))


_WORDS: Final[Mapping[str, str]] = {
    "Missing data for required field.": "is required",
    "Field may not be null.": "must not be null",
    "Unknown field.": "is not known here",
    "Not a valid string.": "must be text",
}


def find_errors(error: ValidationError) -> tuple[WrongField, ...]:
    """What marshmallow found, one entry a field. A name that the caller made up is cut short, not repeated at length."""
    messages: Any = error.messages
    return tuple(
        WrongField(str(field)[:_SHOWN], "; ".join(_WORDS.get(str(each), str(each)) for each in found))
        for field, found in sorted(messages.items())
    )
