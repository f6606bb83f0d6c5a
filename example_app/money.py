"""Amounts of money, exactly: whole numbers of the smallest unit inside, decimal text outside. Never a float."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, localcontext
from numbers import Number
from typing import Final

__all__ = ["LIMIT", "NumberLiteral", "as_charge", "as_units", "format_units"]

_DECIMALS: Final = 2
_SCALE: Final = 10**_DECIMALS
# 999,999,999,999.99: far inside 64 bits, and exact in what a JavaScript program reads it into.
LIMIT: Final = 10**14 - 1
# The grammar of a JSON number (RFC 8259 section 6) with its lengths bounded, so that no literal costs time or memory.
_AMOUNT: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,20})(?:\.[0-9]{1,20})?(?:[eE][+-]?[0-9]{1,2})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class NumberLiteral:
    """A number of a JSON body as it was written: what the parser made of it would no longer be exact."""

    text: str


Number.register(NumberLiteral)  # what JSON Schema calls a number


def as_units(amount: object) -> int:
    """Decimal text or a JSON number as smallest units: ``"12.5"`` is 1250.

    :raises ValueError: saying what is wrong with it.
    """
    text = amount.text if isinstance(amount, NumberLiteral) else amount
    if not isinstance(text, str) or _AMOUNT.fullmatch(text) is None:
        raise ValueError('must be an amount such as "12.50"')
    with localcontext(prec=200):  # more digits than the grammar has: nothing is rounded
        units = Decimal(text) * _SCALE
        if units != units.to_integral_value():
            raise ValueError(f"must have at most {_DECIMALS} decimals")
        if abs(units) > LIMIT:
            raise ValueError(f"must be at most {format_units(LIMIT)}")
        return int(units)


def as_charge(amount: object) -> int:
    """:func:`as_units` of an amount above 0.

    :raises ValueError: saying what is wrong with it.
    """
    units = as_units(amount)
    if units <= 0:
        raise ValueError("must be more than 0")
    return units


def format_units(units: int) -> str:
    """Smallest units as decimal text: 1250 is ``"12.50"``."""
    whole, rest = divmod(abs(units), _SCALE)
    sign = "-" if units < 0 else ""
    return f"{sign}{whole}.{rest:0{_DECIMALS}}"
