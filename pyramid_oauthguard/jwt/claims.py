"""Registered claims, judged by their values alone (RFC 7519 section 4.1): times, texts, audience.

What is not of the one type that the RFC gives it is refused, not guessed at: a string of digits, null or a truth value is
no time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..errors import InvalidToken

__all__ = ["MAX_TIME_SECONDS", "as_texts", "as_time", "check_texts", "read_audience", "read_times"]

#: Beyond this a number is not exact in every JSON parser (RFC 8259 section 6).
MAX_TIME_SECONDS: Final = 2.0**53


def as_time(value: Any) -> float:
    """A NumericDate (RFC 7519 section 2). :raises InvalidToken: not a number, or one that no clock shows."""
    kind = type(value)  # exactly: bool is an int
    if (kind is int or kind is float) and -MAX_TIME_SECONDS < value < MAX_TIME_SECONDS:  # which NaN is not
        return value  # type: ignore[no-any-return]
    raise InvalidToken("bad_time")


def read_times(claims: Mapping[str, Any], soonest: float, latest: float) -> tuple[float, float | None]:
    """``exp`` and ``iat``, after all three times were found to be numbers and to allow the token now.

    :param soonest: ``exp``, which is required, must be later.
    :param latest: ``nbf`` and ``iat`` must not be later.
    :raises InvalidToken: with the first reason found.
    """
    exp = as_time(claims["exp"]) if "exp" in claims else None
    if exp is None:
        raise InvalidToken("missing_exp")
    if exp <= soonest:
        raise InvalidToken("expired")
    if "nbf" in claims and as_time(claims["nbf"]) > latest:
        raise InvalidToken("not_yet_valid")
    iat = as_time(claims["iat"]) if "iat" in claims else None
    if iat is not None and iat > latest:
        raise InvalidToken("issued_in_future")
    return exp, iat


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
