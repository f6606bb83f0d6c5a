"""Rates such as ``20/1m``: a count and a duration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ..settings import as_duration, as_int

__all__ = ["MAX_PERIOD_SECONDS", "Rate", "as_rate"]

MAX_PERIOD_SECONDS: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Rate:
    """At most ``count`` in ``period`` seconds."""

    count: int
    period: float

    def __str__(self) -> str:
        return f"{self.count}/{self.period / 60:g}m"


def as_rate(value: Any) -> Rate | None:
    """A number, a slash and a duration; None for ``0``, which means no limit."""
    if isinstance(value, Rate):
        return value
    count, slash, period = str(value).strip().partition("/")
    if count == "0" and not slash:
        return None
    try:
        rate = Rate(as_int(count), as_duration(period))
    except ValueError:
        raise ValueError(f"must be a rate such as 20/1m, or 0 for no limit, not {value!r}") from None
    if rate.count < 1 or not 1 <= rate.period <= MAX_PERIOD_SECONDS:
        raise ValueError(f"must be at least 1 in a second to an hour, not {value!r}; 0 for no limit")
    return rate
