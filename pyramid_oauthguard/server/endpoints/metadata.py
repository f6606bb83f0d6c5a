"""GET /.well-known/… (RFC 8414): what the endpoints and grants that are on say of themselves, and no more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from ...discovery import build_metadata_urls
from ..answers import build_answer
from ..service import Service, find_service
from ..settings import ServerSettings
from .views import add_endpoint

__all__ = ["build_metadata", "describe", "include"]

ROUTE = "oauthguard.metadata"


def include(config: Any, settings: ServerSettings) -> None:
    """Add a route for each place where a client may look: the first is RFC 8414's own and has the contract's name."""
    below, config.route_prefix = config.route_prefix, None  # well-known places are at the root of the host
    try:
        for number, url in enumerate(build_metadata_urls(settings.issuer)):
            name = ROUTE if number == 0 else f"{ROUTE}.{number}"
            add_endpoint(config, name, urlsplit(url).path, {"GET": answer_metadata}, shared=True)
    finally:
        config.route_prefix = below


def answer_metadata(request: Any) -> Any:
    """The metadata document; URLs are of the issuer's host, whatever the Host header says."""
    service = find_service(request)
    response = build_answer(
        200, build_metadata(service, lambda name: service.settings.origin + request.route_path(name))
    )
    del response.headers["Pragma"]
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response


def build_metadata(service: Service, locate: Callable[[str], str]) -> dict[str, Any]:
    """The document of RFC 8414 section 2.

    :param locate: the URL of a route by its name.
    """
    from . import ENDPOINTS

    document: dict[str, Any] = {"issuer": service.settings.issuer}
    for endpoint in ENDPOINTS:
        document |= endpoint.describe(service, locate)
    return {name: value for name, value in document.items() if value is not None}


def describe(service: Service, locate: Callable[[str], str]) -> dict[str, Any]:
    """What the metadata says of it."""
    return {
        "scopes_supported": sorted(service.settings.scopes),
        # Required by RFC 8414; the authorization endpoint says which there are.
        "response_types_supported": [],
    }
