"""Structured values out of the bytes of a fuzzer. The same bytes give the same values, and no bytes give the simplest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeVar

__all__ = ["Source"]

T = TypeVar("T")

_DEPTH: Final = 4
_WIDTH: Final = 4
#: Numbers at which checks change their mind.
_NUMBERS: Final = (0, 1, -1, 2**31, 2**53, -(2**63), 10**400, 0.5, 1e308, float("inf"), float("nan"), -0.0)
_TEXTS: Final = (
    "",
    " ",
    "read",
    "read write",
    "Bearer",
    "none",
    "RS256",
    "null",
    "\0",
    "\ud800",
    "é",
    "\r\nX: y",
    "system.Everyone",
)


class Source:
    """Takes values from ``data``, front to back."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take_byte(self) -> int:
        """0 to 255; 0 at the end."""
        value = self._data[self._at] if self._at < len(self._data) else 0
        self._at += 1
        return value

    def take_bytes(self) -> bytes:
        """Up to 255 bytes, as many as the next byte says."""
        size = self.take_byte()
        found = self._data[self._at : self._at + size]
        self._at += size
        return found

    def take_rest(self) -> bytes:
        """Whatever is left."""
        found = self._data[self._at :]
        self._at = len(self._data)
        return found

    def take_text(self) -> str:
        """Any text, also with lone surrogates."""
        return self.take_bytes().decode("utf-8", "surrogateescape")

    def choose(self, options: Sequence[T]) -> T:
        """One of ``options``."""
        return options[self.take_byte() % len(options)]

    def take_json(self, names: Sequence[str], depth: int = _DEPTH) -> Any:
        """A JSON value; its objects have members of ``names`` and others. Numbers include those that JSON has not."""
        kind = self.take_byte() % (8 if depth else 6)
        if kind == 0:
            return self.choose((None, True, False))
        if kind == 1:
            return self.choose(_NUMBERS)
        if kind == 2:
            return self.take_byte() - 128
        if kind == 3:
            return self.choose(_TEXTS)
        if kind == 4:
            return self.take_text()
        if kind == 5:
            return self.choose(names)
        if kind == 6:
            return [self.take_json(names, depth - 1) for _each in range(self.take_byte() % _WIDTH)]
        return self.take_object(names, depth - 1)

    def take_object(self, names: Sequence[str], depth: int = _DEPTH) -> dict[str, Any]:
        """A JSON object."""
        size = self.take_byte() % (2 * _WIDTH)
        return {self._take_name(names): self.take_json(names, depth) for _each in range(size)}

    def _take_name(self, names: Sequence[str]) -> str:
        return self.choose(names) if self.take_byte() % 8 else self.take_text()
