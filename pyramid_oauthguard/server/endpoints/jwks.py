"""GET /jwks (RFC 7517 section 5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..answers import build_answer
from ..service import Service, find_service
from ..settings import ServerSettings
from ..signing import REMEMBER
from .views import add_endpoint

__all__ = ["describe", "include"]

ROUTE = "oauthguard.jwks"


def include(config: Any, settings: ServerSettings) -> None:
    """Add the route and its view."""
    add_endpoint(config, ROUTE, f"{settings.path}/jwks", {"GET": answer_keys}, shared=True)


def answer_keys(request: Any) -> Any:
    """The public halves of the signing keys."""
    response = build_answer(200, {"keys": list(find_service(request).keys.list_published())})
    del response.headers["Pragma"]
    response.headers["Cache-Control"] = f"public, max-age={int(REMEMBER)}"
    return response


def describe(service: Service, locate: Callable[[str], str]) -> dict[str, Any]:
    """What the metadata says of it."""
    return {"jwks_uri": locate(ROUTE)}
