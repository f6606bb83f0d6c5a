"""Fields of arguments that no OpenAPI document describes, and what is wrong with them in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from marshmallow import ValidationError, fields

from .money import as_units
from .problems import WrongField

__all__ = ["Amount", "find_errors"]

_SHOWN: Final = 100


class Amount(fields.Field[int]):
    """An amount of money, as decimal text or a JSON number; in smallest units after loading."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        try:
            return as_units(value)
        except ValueError as error:
            raise ValidationError(str(error)) from error


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
