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
#: A verifier may use a revoked key for this long. A guard renews the set in the background: it does so after
#: 80 % of this, and not before its cool-down of 30 seconds has passed.
MAX_AGE_SECONDS: Final = 40


def include(config: Configurator, settings: ServerSettings) -> None:
    """Add the route and its view."""
    add_endpoint(config, ROUTE, settings.find_path("jwks"), {"GET": answer_keys}, readers=Readers.ANYBODY)


def answer_keys(request: Request) -> Any:
    """The public halves of the signing keys, as they are now.

    A verifier may keep them for ``MAX_AGE_SECONDS``. Shared caches must ask each time (RFC 9111 section 5.2.2.10),
    since their time would add to the verifier's. With the ETag they are answered 304.
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
        # If no process reaches the storage, no key can change.
        return keys.list_remembered()


def describe(service: Service, locate: Callable[[str], str]) -> dict[str, Any]:
    """The members of the metadata."""
    return {"jwks_uri": locate(ROUTE)}
