"""The ways to check a token, one file each, ordered by strictness."""

from __future__ import annotations

from typing import Final

__all__ = ["RANKS"]

#: A request's mode may only climb.
RANKS: Final = {"local": 0, "remote": 1}
