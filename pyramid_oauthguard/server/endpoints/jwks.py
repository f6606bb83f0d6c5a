"""GET /jwks (RFC 7517 section 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any, Final

from pyramid.config import Configurator
from pyramid.request import Request

from ...errors import UnavailableError
from ..http.answers import build_answer
from ..http.cors import Readers
from ..keys.ring import KeyRing
from ..service import Service, find_service
from ..settings import ServerSettings
from .views import add_endpoint

__all__ = ["describe", "include"]

ROUTE = "oauthguard.jwks"
#: A verifier may use a revoked key for so long. Long enough for a guard to renew the set in the background: it does so after
#: 80 % of this, and not before its cool-down of 30 seconds has passed.
MAX_AGE_SECONDS: Final = 40


def include(config: Configurator, settings: ServerSettings) -> None:
    """Add the route and its view."""
    add_endpoint(config, ROUTE, f"{settings.path}/jwks", {"GET": answer_keys}, readers=Readers.ANYBODY)


def answer_keys(request: Request) -> Any:
    """The public halves of the signing keys, as they are now.

    A verifier may keep them for a while. Caches that it shares with others must ask each time (RFC 9111 section 5.2.2.10):
    what they keep would add to that while. The tag lets them be answered 304.
    """
    response = build_answer(200, {"keys": list(_fetch_keys(find_service(request).keys))})
    del response.headers["Pragma"]
    response.headers["Cache-Control"] = f"max-age={MAX_AGE_SECONDS}, s-maxage=0"
    response.etag = sha256(response.body).hexdigest()
    response.conditional_response = True
    return response


def _fetch_keys(keys: KeyRing) -> Iterable[Mapping[str, Any]]:
    try:
        return keys.list_published()
    except UnavailableError:
        # Where no process reaches the storage, none can change a key.
        return keys.list_remembered()


def describe(service: Service, locate: Callable[[str], str]) -> dict[str, Any]:
    """What the metadata says of it."""
    return {"jwks_uri": locate(ROUTE)}
