"""Texts of others, made safe for a terminal and short enough for a line."""

from __future__ import annotations

from typing import Final

__all__ = ["clean", "shorten"]

_LONGEST: Final = 500


def clean(text: str, *, keep: str = "") -> str:
    """``text`` without what could steer a terminal: control, format and surrogate characters become escapes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else repr(char)[1:-1] for char in text)


def shorten(text: object) -> str:
    """Words of the other side, cut to a length that fits a line of ours."""
    given = str(text)
    whole = " ".join(given[: 2 * _LONGEST].split())
    return whole if len(whole) <= _LONGEST and len(given) <= 2 * _LONGEST else whole[:_LONGEST] + "…"
