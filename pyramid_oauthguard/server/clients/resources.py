"""Resource indicators (RFC 8707): which registered API a request means.

Clients build the value from an address that a user typed or a document names, so it is compared as a URL. The token contains the
registered spelling, which the API compares byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...urls import as_origin

__all__ = ["find_resource"]


def find_resource(asked: str, registered: Iterable[str]) -> str | None:
    """The registered spelling of a resource, or None.

    The same text is preferred. Otherwise two URLs are the same if they differ only in the case of scheme and host, in a default
    port, or in one slash at the end. A name that is not a URL is compared as text.
    """
    known = tuple(registered)
    if asked in known:
        return asked
    wanted = _split(asked)
    return None if wanted is None else next((each for each in known if _split(each) == wanted), None)


def _split(url: str) -> tuple[str, str] | None:
    """Origin, and path with query without one slash at its end; None if it is not a URL."""
    try:
        origin = as_origin(url)
    except ValueError:
        return None
    rest = url.partition("://")[2]
    start = min((place for place in map(rest.find, "/?") if place >= 0), default=len(rest))
    path, mark, query = rest[start:].partition("?")
    return str(origin), path.removesuffix("/") + mark + query
