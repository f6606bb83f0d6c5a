"""Reads the answer of a token endpoint member by member, so that one wrong member does not lose the tokens.

A server that rotates refresh tokens sends the only good one exactly once (RFC 9700 section 4.14). Everything else that comes
from an issuer is read by :mod:`pyramid_oauthguard.strict_json`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

__all__ = ["as_seconds", "read_members"]

#: The pieces of JSON, each matched without going back. A string may lack its end, where an answer was cut off.
_PIECE: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{},:]|[^\s"\[\]{},:]++', re.DOTALL)
_DEPTHS: Final = {"{": 1, "[": 1, "}": -1, "]": -1}
_DECIMAL: Final = re.compile(r"\d{1,12}(?:\.\d{1,9})?", re.ASCII)


def read_members(data: bytes) -> dict[str, Any]:
    """The members of the JSON object in ``data`` that are JSON (RFC 8259). The last one wins if a name occurs twice.

    Left out are values such as ``NaN``, numbers of thousands of digits, and nesting that is too deep for Python. Bytes that are
    not UTF-8 are replaced. Does not check what the members mean. Takes linear time.

    :raises ValueError: it does not begin like an object.
    """
    text = data.decode("utf-8-sig", "replace").lstrip()
    if not text.startswith("{"):
        raise ValueError("not a JSON object")
    found: dict[str, Any] = {}
    for name, value in _split(text):
        with suppress(ValueError, RecursionError):
            found[str(json.loads(name))] = json.loads(value, parse_constant=_refuse)
    return found


def as_seconds(value: object) -> float | None:
    """``value`` as a positive number of seconds, also if a server sends it as a string; None for everything else."""
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) and seconds > 0 else None


def _split(text: str) -> Iterator[tuple[str, str]]:
    """The text of each name and value of the outermost object."""
    depth, start, name = 0, -1, ""
    for piece in _PIECE.finditer(text):
        char = piece[0]
        if depth == 1 and char == ":" and not name:
            name, start = text[max(start, 0) : piece.start()], -1
        elif depth == 1 and char in ",}":
            if name and start >= 0:
                yield name, text[start : piece.start()]
            name, start = "", -1
        elif depth and start < 0:
            start = piece.start()
        depth += _DEPTHS.get(char, 0)
        if not depth:
            return


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
