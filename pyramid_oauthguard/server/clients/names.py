"""Names of clients that register themselves: they are shown to users, so they must not imitate anything else on the page."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Final

__all__ = ["clean_name", "is_taken"]

_MAX_CHARACTERS: Final = 80
_MAX_MARKS: Final = 2  # accents on one letter
#: The page has the name in quotes: the name must not seem to end earlier.
_QUOTES: Final = frozenset("\"'`´‘’‚‛“”„‟‹›«»〝〞〟＂＇｀″‴‶‷❛❜❝❞ʺ˝˵˶״〃")
#: Cyrillic, Greek and Latin letters that look like those of ASCII (Unicode Technical Standard 39), after case folding.
_ALIKE: Final = str.maketrans(
    "авекмнорстухһіјѕԁԛԝӏαβεηικνορτυχıɑɡ01",
    "abekmhopctyxhijsdqwlabenikvoptuxiagol",
)


def clean_name(text: str) -> str:
    """The name in one line: without quotes, control characters, and characters that change the direction of writing or are
    not visible. Empty if nothing is left."""
    kept: list[str] = []
    marks = 0
    for char in unicodedata.normalize("NFC", text)[: _MAX_CHARACTERS * 4]:
        marks = marks + 1 if unicodedata.category(char) in {"Mn", "Me"} else 0
        if char.isspace():
            kept.append(" ")
        elif char.isprintable() and char not in _QUOTES and not _is_blank(char) and marks <= _MAX_MARKS:
            kept.append(char)
    return " ".join("".join(kept).split())[:_MAX_CHARACTERS].strip()


def is_taken(name: str, others: Iterable[str]) -> bool:
    """Whether a user could take ``name`` for one of the others: they differ in case, width, spaces, punctuation or letters that
    look alike only."""
    wanted = _simplify(name)
    return any(_simplify(other) == wanted for other in others)


def _simplify(name: str) -> str:
    folded = unicodedata.normalize("NFKD", name).casefold()
    return "".join(char for char in folded if char.isalnum()).translate(_ALIKE)


def _is_blank(char: str) -> bool:
    """Letters that are shown as nothing, such as the Hangul fillers."""
    return char in "\u115f\u1160\u3164\uffa0\u2800"
