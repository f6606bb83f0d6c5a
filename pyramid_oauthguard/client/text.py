"""Text from a server or an API, made safe for a terminal and short enough for a line."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["clean", "clean_line", "is_utf8", "shorten"]

_MOST_CHARS: Final = 500
#: Control characters and line separators: programs may read each of them as the end of a line.
_BREAKS: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


def clean(text: str, *, keep: str = "") -> str:
    """``text`` without characters that control a terminal: control, format and surrogate characters become escapes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else _escape(char) for char in text)


def clean_line(text: str) -> str:
    """``text`` as one line for a program: line breaks and control characters become escapes, surrogates are replaced."""
    line = _BREAKS.sub(lambda found: _escape(found[0]), text)
    return line.encode("utf-8", "replace").decode("utf-8")


def shorten(text: object) -> str:
    """``text`` from a server or an API on one line, cut to at most 500 characters."""
    given = str(text)
    whole = " ".join(given[: 2 * _MOST_CHARS].split())
    return whole if len(whole) <= _MOST_CHARS and len(given) <= 2 * _MOST_CHARS else whole[:_MOST_CHARS] + "…"


def is_utf8(text: str) -> bool:
    """Whether ``text`` can be written as UTF-8: it has no surrogates, as Python writes other bytes of an argument or a variable."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _escape(char: str) -> str:
    return repr(char)[1:-1]
