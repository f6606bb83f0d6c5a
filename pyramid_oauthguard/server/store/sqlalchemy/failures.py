"""The description of a database failure for the log: its class and code, and the driver's text if a connection
fails."""

from __future__ import annotations

from typing import Any, Final

from ....errors import UnavailableError
from ....outages import name_cause
from ...time_limits import is_no_answer
from ..contract import NoAnswerError

__all__ = ["build_failure", "describe_failure"]

_LONGEST_CHARACTERS: Final = 200
_RETRY_SECONDS: Final = 5


def build_failure(error: Exception) -> UnavailableError:
    """The failure as callers of a store know it.

    :param error: of SQLAlchemy, or of SQLite's driver.
    """
    kind = NoAnswerError if is_no_answer(error) else UnavailableError
    return kind("storage", describe_failure(error), retry_after=_RETRY_SECONDS)


def describe_failure(error: Exception) -> str:
    """``OperationalError 57P01``; the text of an error is left out where it may contain values of a statement."""
    described, said = name_cause(error), _find_text(error)
    return f"{described}: {said}" if said else described


def _find_text(error: Any) -> str:
    """libpq's text if the connection fails: the server's address, the user's name, the reason."""
    origin = getattr(error, "orig", None)
    connecting = getattr(error, "statement", "") is None and type(origin).__module__.startswith("psycopg")
    if getattr(origin, "sqlstate", None) or not (connecting or is_no_answer(error)):
        return ""
    text = " ".join("".join(char if char.isprintable() else " " for char in str(origin)).split())
    return text[:_LONGEST_CHARACTERS]
