"""Money is exact: what goes in comes out, or is refused."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from example_app.money import LIMIT, NumberLiteral, as_units, format_units


@pytest.mark.slow
@given(st.integers(-LIMIT, LIMIT))
def test_what_is_written_is_read(units: int) -> None:
    assert as_units(format_units(units)) == units
    assert as_units(NumberLiteral(format_units(units))) == units
    assert Decimal(format_units(units)) * 100 == units


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("12.5", 1250),
        ("0.07", 7),
        ("-0.01", -1),
        ("1e2", 10000),
        ("125e-1", 1250),
        ("1.500", 150),
        ("0.1", 10),
        ("-0", 0),
    ],
)
def test_each_spelling_of_a_number(text: str, units: int) -> None:
    assert as_units(text) == units
    assert as_units(NumberLiteral(text)) == units


def test_a_tenth_and_two_tenths_are_three_tenths() -> None:
    read = json.loads("[0.1, 0.2, 0.3]", parse_float=NumberLiteral)
    assert as_units(read[0]) + as_units(read[1]) == as_units(read[2])


@pytest.mark.parametrize("text", ["0.001", "1e-3", "12.345"])
def test_a_third_decimal_is_refused_not_rounded(text: str) -> None:
    with pytest.raises(ValueError, match="at most 2 decimals"):
        as_units(text)


@pytest.mark.parametrize("text", ["1000000000000", "1e99", "-1e20", "999999999999.99e1"])
def test_more_than_the_limit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"at most 999999999999\.99"):
        as_units(text)


@pytest.mark.parametrize(
    "amount",
    ["", " 1", "1 ", "+1", "01", "1.", ".5", "1,5", "NaN", "Infinity", "1e999", "0x10", "1_000", "٣", "1\n", "9" * 5000, None, True, 1, 1.5, [], {}],
)  # fmt: skip
def test_anything_else_is_refused(amount: object) -> None:
    with pytest.raises(ValueError, match="must be an amount"):
        as_units(amount)
