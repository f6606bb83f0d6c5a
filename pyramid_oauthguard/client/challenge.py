"""The Bearer challenge of an API that refuses a token (RFC 6750 section 3; RFC 9110 section 11.6.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

__all__ = ["find_bearer_challenge"]

#: A quoted string, perhaps without its end; a comma; an equals sign; or other characters up to one of these or a space. The
#: pattern never backtracks, so that any header is read in linear time.
_PIECE: Final = re.compile(r'"((?:[^"\\]++|\\.)*+)"?|([,=])|([^\s",=]++)', re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


def find_bearer_challenge(values: Iterable[str]) -> Mapping[str, str] | None:
    """The parameters of the first Bearer challenge in the ``WWW-Authenticate`` headers ``values``, names in lower case.

    The first value wins if a parameter occurs twice. None if there is no such challenge.
    """
    for value in values:
        for scheme, parameters in _read_challenges(value):
            if scheme.lower() == "bearer":
                return parameters
    return None


def _read_challenges(value: str) -> list[tuple[str, dict[str, str]]]:
    """Each scheme with its parameters: a word that an equals sign follows is a parameter, another word is a scheme."""
    pieces = [(match[3] or match[2] or "", match[1]) for match in _PIECE.finditer(value)]
    found: list[tuple[str, dict[str, str]]] = []
    position = 0
    while position < len(pieces):
        word, _ = pieces[position]
        position += 1
        if word in ("", ",", "="):
            continue
        if pieces[position : position + 1] == [("=", None)]:
            position += 1
            if position < len(pieces) and pieces[position][0] not in (",", "="):
                if found:
                    found[-1][1].setdefault(word.lower(), _unquote(pieces[position]))
                position += 1
        else:
            found.append((word, {}))
    return found


def _unquote(piece: tuple[str, str | None]) -> str:
    word, quoted = piece
    return word if quoted is None else _ESCAPED.sub(r"\1", quoted)
