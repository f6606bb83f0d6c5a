"""Which browsers' scripts may read our answers: those of the sites that registered public clients are on (Fetch, CORS).

No cookie is ever allowed for: an endpoint that is shared has none. jwks and metadata are public, but shared no wider.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, Final

from pyramid.response import Response

from ..errors import UnavailableError
from ..urls import as_origin
from .store.contract import Store

__all__ = ["Origins", "answer_preflight", "find_origin", "is_preflight", "share_answers"]

REMEMBER: Final = 60.0
STALE: Final = 3600.0
_PREFLIGHT_LIVES: Final = "600"
_READABLE: Final = "Retry-After, WWW-Authenticate, X-Request-Id"
_HEADERS: Final = "Authorization, Content-Type"


class Origins:
    """The origins of the redirect URIs of live public clients, remembered for a minute; for an hour while the storage is
    away.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._found: frozenset[str] = frozenset()
        self._read_at = float("-inf")

    def __contains__(self, origin: str) -> bool:
        now = time.time()
        if not 0 <= now - self._read_at < REMEMBER:
            try:
                self._read(now)
            except UnavailableError:
                if not 0 <= now - self._read_at < STALE:
                    raise
        return origin in self._found

    def _read(self, now: float) -> None:
        with self._store.reading() as unit:
            uris = unit.list_public_redirect_uris()
        self._found = frozenset(filter(None, map(find_origin, uris)))
        self._read_at = now

    def forget(self) -> None:
        """Read them again at the next use: clients were changed."""
        self._read_at = float("-inf")


def find_origin(uri: str) -> str | None:
    """The origin of a page at ``uri`` as browsers write it (RFC 6454 section 6.2); None for a private-use scheme."""
    try:
        return str(as_origin(uri))
    except ValueError:
        return None


def share_answers(view: Callable[[Any], Any], find_origins: Callable[[Any], Origins]) -> Callable[[Any], Any]:
    """Let scripts of registered origins read the answers of a view, the errors too."""

    @functools.wraps(view)
    def wrapped(request: Any) -> Any:
        response = view(request)
        _share(request, response, find_origins(request))
        return response

    return wrapped


def is_preflight(request: Any) -> bool:
    """Whether a browser asks before it sends a script's request."""
    headers = request.headers
    return request.method == "OPTIONS" and "Origin" in headers and "Access-Control-Request-Method" in headers


def answer_preflight(methods: str) -> Any:
    """What scripts may send; to whom it applies is said by :func:`share_answers`."""
    response = Response(status=204)
    response.headers["Access-Control-Allow-Methods"] = methods
    response.headers["Access-Control-Allow-Headers"] = _HEADERS
    response.headers["Access-Control-Max-Age"] = _PREFLIGHT_LIVES
    return response


def _share(request: Any, response: Any, origins: Origins) -> None:
    response.headers.add("Vary", "Origin")
    origin = request.headers.get("Origin")
    try:
        allowed = origin is not None and origin in origins
    except UnavailableError:  # the answer itself says what there is to say about it
        allowed = False
    if allowed:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = _READABLE
