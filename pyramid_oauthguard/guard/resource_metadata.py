"""What this API says about itself: protected resource metadata (RFC 9728)."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import unquote, urlsplit, urlunsplit

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

__all__ = ["add_metadata", "build_metadata_url"]

ROUTE: Final = "oauthguard.resource_metadata"
WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
#: With line feeds: what follows the pattern would else end before the last one.
_REST: Final = "{path:(?s:.*)}"


#: The Fetch standard: any script may read the document, always without cookies.
_ANY_ORIGIN: Final = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "WWW-Authenticate"}
_PREFLIGHT: Final = {
    **_ANY_ORIGIN,
    "Access-Control-Allow-Methods": "GET",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Max-Age": "7200",
}


def answer_preflight(_request: Request) -> Response:
    """Clients send headers of their own with the request for the document, so browsers ask first."""
    response: Response = Response(status=204)
    response.headers.update(_PREFLIGHT)
    return response


def add_metadata(config: Configurator) -> None:
    """Serve the document, at an address that no route prefix moves: it is the RFC's."""
    prefix, config.route_prefix = config.route_prefix, None
    try:
        config.add_route(ROUTE, WELL_KNOWN + _REST)
    finally:
        config.route_prefix = prefix
    config.add_view(render_metadata, route_name=ROUTE, renderer="json", permission=NO_PERMISSION_REQUIRED)
    config.add_view(answer_preflight, route_name=ROUTE, request_method="OPTIONS", permission=NO_PERMISSION_REQUIRED)


def build_metadata_url(resource: str) -> str:
    """Where the document of ``resource`` is: the well-known part goes before its path (RFC 9728 section 3)."""
    parts = urlsplit(resource)
    path = WELL_KNOWN + (parts.path if parts.path != "/" else "")
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def render_metadata(request: Request) -> dict[str, Any]:
    """RFC 9728 section 2. Open to any caller and to scripts of any origin: a client that has no token yet needs it."""
    request.response.headers.update(_ANY_ORIGIN)
    settings = request.registry.oauthguard.settings
    # Below another path it would describe a resource that is not this one (section 3.3).
    if request.matchdict["path"] not in ("", unquote(urlsplit(settings.resource).path)):
        raise HTTPNotFound
    return {
        "resource": settings.resource,
        "authorization_servers": [settings.issuer],
        "bearer_methods_supported": ["header"],
    }
