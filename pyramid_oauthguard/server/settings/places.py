"""Which URLs may be a ``client_id``, and the lists of places that the operator lets in or keeps out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from ...settings import as_list
from ...urls import Origin, as_origin, is_loopback

__all__ = ["as_places", "find_document_fault", "is_at", "is_development_url"]

_MAX_CHARACTERS: Final = 255
#: Without percent-encoding: a URL has one spelling, so that a list of places cannot be avoided by another one.
_PATH: Final = re.compile(r"(?:/[A-Za-z0-9\-._~!$&'()*+,;=:@]+)+/?")
_HOST: Final = re.compile(r"(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)+")


def find_document_fault(url: str) -> str | None:
    """Why ``url`` can't be the ``client_id`` of a document; None if it can.

    It is https on port 443 of a host name with a dot, has a path, and has no user, query, fragment, escaped or empty part.
    """
    try:
        origin = as_origin(url)
    except ValueError:
        return "it is not an absolute URL without user and fragment"
    if len(url) > _MAX_CHARACTERS:
        return f"it has more than {_MAX_CHARACTERS} characters"
    if origin.scheme != "https" or not url.startswith(f"https://{origin.host}/"):
        return "it must be https, on port 443, and its host in lower case"
    if not _HOST.fullmatch(origin.host) or re.fullmatch(r"[\d.]+", origin.host):
        return "its host must be a name with a dot"
    return _find_path_fault(url)


def is_development_url(url: str) -> bool:
    """Whether ``url`` is a document on a loopback host, which counts in development only."""
    try:
        origin = as_origin(url)
    except ValueError:
        return False
    return is_loopback(origin.host) and len(url) <= _MAX_CHARACTERS and _find_path_fault(url) is None


def _find_path_fault(url: str) -> str | None:
    path = "/" + url.partition("://")[2].partition("/")[2]
    # Some servers cut a part at its semicolon, and then go up.
    if not _PATH.fullmatch(path) or {".", ".."} & {part.partition(";")[0] for part in path.split("/")}:
        return "its path must have only plain characters, and no empty, single-dot or double-dot part"
    return None


def as_places(value: Any) -> tuple[str, ...]:
    """A list of places: ``host``, ``*.host`` (each host below it), or ``host/path/`` (each document below it). Paths keep their
    letter case."""
    return tuple(map(_as_place, as_list(value)))


def _as_place(text: str) -> str:
    host, slash, path = text.partition("/")
    host = host.lower()
    if not _HOST.fullmatch(host) or (slash and (host.startswith("*") or not _is_prefix(path))):
        raise ValueError(f"must be places such as app.example, *.example or app.example/clients/, not {text!r}")
    return f"{host}{slash}{path}"


def _is_prefix(path: str) -> bool:
    return path.endswith("/") and _PATH.fullmatch("/" + path) is not None


def is_at(url: str, origin: Origin, places: Iterable[str], *, any_case: bool) -> bool:
    """Whether a document is at one of these places.

    :param any_case: whether a path in another letter case is the same path. For many hosts it is, and for many it is another one,
        perhaps of somebody else: so it is the same where places are kept out, and another one where they are let in.
    """
    rest = url.partition("://")[2]
    if any_case:
        rest, places = rest.lower(), map(str.lower, places)
    return any(_is_below(rest, origin.host, place) for place in places)


def _is_below(rest: str, host: str, place: str) -> bool:
    if "/" in place:
        return rest.startswith(place)
    return host.endswith(place[1:]) if place.startswith("*.") else host == place
