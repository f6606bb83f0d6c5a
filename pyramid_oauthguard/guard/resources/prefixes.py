"""Whether a path is under one of several prefixes: whole segments of the decoded PATH_INFO.

Pyramid reads one path in several ways. A route's pattern also matches a path with a line feed after it. Traversal ignores
empty segments and ``.``, resolves ``..``, and begins at the header ``X-Vhm-Root``. So all readings are asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

from pyramid.traversal import split_path_info

from ...errors import SettingError

__all__ = ["Prefixes", "Segments", "find_unambiguous", "parse_prefix", "split_pattern"]

T = TypeVar("T")
Segments = tuple[str, ...]

_REFUSED: Final = re.compile(r"[%?#{}*\\\s]")
#: Where a route's pattern may have a placeholder: {name}, *name, or the old :name.
_PLACEHOLDER: Final = re.compile(r"[{*:]")
_VIRTUAL_ROOT: Final = "HTTP_X_VHM_ROOT"


class Prefixes:
    """One or several path prefixes, such as ``/api/``; ``/api`` means the same.

    They are compared as a route's pattern is: decoded, letter by letter, below the path that the application is mounted
    at (SCRIPT_NAME).

    :param owner: what errors begin with.
    :raises SettingError: there is none, or one is not a path prefix.
    """

    def __init__(self, owner: str, prefixes: Iterable[Any]) -> None:
        self.names = tuple(prefixes)
        if not self.names:
            raise SettingError(owner, "needs a path prefix", "such as /api/")
        self._known = tuple(parse_prefix(owner, each) for each in self.names)

    @property
    def has_every_path(self) -> bool:
        """Whether one of them is ``/``."""
        return () in self._known

    def covers(self, environ: Mapping[str, Any]) -> bool | None:
        """Whether the path of a request is under a prefix; None where Pyramid's readings of the path differ in that."""
        return find_unambiguous(environ, self._covers)

    def covers_pattern(self, pattern: str) -> bool | None:
        """Whether the paths that a route's pattern matches are under a prefix; None where only a request can tell."""
        segments, rest = split_pattern(pattern)
        if "." in segments or ".." in segments:
            return None
        if self._covers(segments):
            return True
        open_ended = rest is not None and any(_may_lead_to(known, segments, rest) for known in self._known)
        return None if open_ended else False

    def _covers(self, segments: Segments) -> bool:
        return any(segments[: len(known)] == known for known in self._known)

    def __str__(self) -> str:
        return " ".join(self.names)


def find_unambiguous(environ: Mapping[str, Any], find: Callable[[Segments], T]) -> T | None:
    """What ``find`` says of the path of a request; None where Pyramid's readings of the path differ in that."""
    path: str = environ.get("PATH_INFO", "")
    found = find(_split(path))
    if "." not in path and "\n" not in path and _VIRTUAL_ROOT not in environ:
        return found
    traversed = split_path_info(environ.get(_VIRTUAL_ROOT, "") + path)
    return found if found is find(_split(path.removesuffix("\n"))) is find(traversed) else None


def split_pattern(pattern: str) -> tuple[Segments, str | None]:
    """The segments with which all paths of a route's pattern begin, and the letters that follow them; None for a pattern
    without a placeholder, which matches one path."""
    literal = _PLACEHOLDER.split(pattern, maxsplit=1)[0]
    if literal == pattern:
        return _split(_encode(literal)), None
    start, _slash, rest = literal.rpartition("/")
    return _split(_encode(start)), _encode(rest)


def parse_prefix(owner: str, prefix: Any) -> Segments:
    """The segments of a path prefix; none for ``/``.

    :param owner: what errors begin with.
    :raises SettingError: it is not a path prefix.
    """
    if not isinstance(prefix, str):
        raise SettingError(owner, f"takes path prefixes one by one, not {prefix!r}", "such as '/api/', '/v2/'")
    segments = _split(_encode(prefix))
    if not prefix.startswith("/") or "//" in prefix or _REFUSED.search(prefix) or not {".", ".."}.isdisjoint(segments):
        raise SettingError(owner, f"{prefix!r} is not a path prefix", "such as /api/, decoded and without placeholders")
    return segments


def _encode(text: str) -> str:
    """Text as PATH_INFO has it: each byte of UTF-8 is a character (PEP 3333)."""
    return text.encode("utf-8", "surrogatepass").decode("latin-1")


def _split(path: str) -> Segments:
    return tuple(segment for segment in path.split("/") if segment)


def _may_lead_to(known: Segments, segments: Segments, rest: str) -> bool:
    """Whether a path that begins with ``segments`` and goes on with the letters ``rest`` may be under ``known``."""
    size = len(segments)
    return size < len(known) and known[:size] == segments and known[size].startswith(rest)
