"""Registered claims, judged by their values alone (RFC 7519 section 4.1): times, texts, audience.

What is not of the one type that the RFC gives it is refused, not guessed at: a string of digits, null or a truth value is
no time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, TypeGuard

from ..errors import InvalidToken

__all__ = [
    "FIRST_MILLISECOND",
    "MAX_TIME_SECONDS",
    "as_texts",
    "as_time",
    "check_texts",
    "is_time",
    "read_audience",
    "read_times",
]

#: Beyond this a number is not exact in every JSON parser (RFC 8259 section 6).
MAX_TIME_SECONDS: Final = 2.0**53
#: Between the years 1995 and 2128 in milliseconds. In seconds, these years are 27,000 and later. The last day that databases know,
#: in the year 9999, is before them.
FIRST_MILLISECOND: Final = 8e11
_LAST_MILLISECOND: Final = 5e12
#: By what a time in milliseconds, and one in microseconds, has to be divided to be in milliseconds.
_TO_MILLISECONDS: Final = (1, 1000)


def as_time(value: Any) -> float:
    """A NumericDate (RFC 7519 section 2). :raises InvalidToken: not a number, or one that no clock shows."""
    if is_time(value):
        return value
    raise InvalidToken("bad_time")


def is_time(value: Any) -> TypeGuard[float]:
    """Whether ``value`` may be a NumericDate."""
    kind = type(value)  # exactly: bool is an int
    return (kind is int or kind is float) and -MAX_TIME_SECONDS < value < MAX_TIME_SECONDS  # which NaN is not


def read_times(
    claims: Mapping[str, Any],
    soonest: float,
    latest: float,
    *,
    expiry_required: bool = True,
    check_issued_at: bool = True,
) -> tuple[float, float | None]:
    """``exp`` and ``iat``, after all three times were found to be numbers and to allow the token now.

    :param soonest: ``exp`` must be later.
    :param latest: ``nbf`` and ``iat`` must not be later.
    :param expiry_required: False lets ``exp`` be absent; it is infinity then.
    :param check_issued_at: False takes ``iat`` as it is, and for absent where it is not a time.
    :raises InvalidToken: with the first reason found.
    """
    if "exp" not in claims and expiry_required:
        raise InvalidToken("missing_exp")
    exp = _as_near_time(claims["exp"]) if "exp" in claims else math.inf
    if exp <= soonest:
        raise InvalidToken("expired")
    if "nbf" in claims and _as_near_time(claims["nbf"]) > latest:
        raise InvalidToken("not_yet_valid")
    if "iat" not in claims:
        return exp, None
    if not check_issued_at:
        return exp, claims["iat"] if is_time(claims["iat"]) else None
    iat = _as_near_time(claims["iat"])
    if iat > latest:
        raise InvalidToken("issued_in_future")
    return exp, iat


def _as_near_time(value: Any) -> float:
    """Like :func:`as_time`, but no time in milliseconds or microseconds: an ``exp`` of that kind would be thousands of years away."""
    time = as_time(value)
    # The first comparison is enough for the times of nearly all tokens.
    if time > FIRST_MILLISECOND and any(
        FIRST_MILLISECOND < time / each < _LAST_MILLISECOND for each in _TO_MILLISECONDS
    ):
        raise InvalidToken("milliseconds")
    return time


def read_audience(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """``aud``, empty where it is absent. :raises InvalidToken: neither a text nor a list of texts."""
    return as_texts(claims["aud"], "bad_audience") if "aud" in claims else ()


def as_texts(value: Any, reason: str) -> tuple[str, ...]:
    """One text, or a list of texts. :raises InvalidToken: for ``reason``, it is neither."""
    if type(value) is str:
        return (value,)
    if type(value) not in (list, tuple):
        raise InvalidToken(reason)
    for each in value:
        if type(each) is not str:
            raise InvalidToken(reason)
    return tuple(value)


def check_texts(*values: Any) -> None:
    """Each is a text or None. :raises InvalidToken: one is not."""
    for value in values:
        if type(value) is not str and value is not None:
            raise InvalidToken("bad_claim")
