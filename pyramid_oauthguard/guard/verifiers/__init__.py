"""The ways to check a token, one file each, and which of them a request has to pass."""

from __future__ import annotations

from typing import Final

__all__ = ["BOTH", "RANKS", "join"]

#: The modes of views. The local check is part of the others.
RANKS: Final = {"local": 0, "remote": 1, "userinfo": 1}
#: The mode of a request that has to pass the two that do not contain each other.
BOTH: Final = "remote and userinfo"


def join(before: str, mode: str) -> str:
    """The mode of a request that had to pass ``before`` and has to pass ``mode``, too. It may only become stricter."""
    if mode in (before, "local") or before == BOTH:
        return before
    return mode if before == "local" else BOTH
