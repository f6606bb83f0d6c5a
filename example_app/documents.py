"""The API's document as its users see it: /openapi.json, with what the views say about tokens."""

from __future__ import annotations

from typing import Any, Final

import yaml
from pyramid.config import Configurator
from pyramid.request import Request

from pyramid_oauthguard.guard.openapi import SCHEME, secure_document

from .parts import Parts
from .problems import add_resource
from .validation import DOCUMENT

__all__ = ["CLIENT_ID", "build_document", "build_redirect_uri"]

#: The public client of Swagger UI and of the tour.
CLIENT_ID: Final = "customer-docs"
_REDIRECT: Final = "/docs/oauth2-redirect"
_SOURCE: Final = "example_app.openapi"
_MEANINGS: Final = {"customer_api": "Read customers and charge them", "read:messages": "Read messages"}


def includeme(config: Configurator) -> None:
    """Serve the document."""
    config.registry[_SOURCE] = yaml.safe_load(DOCUMENT.read_text("utf-8"))
    add_resource(config, "openapi", "/openapi.json", "GET", "HEAD")
    config.add_view(show_document, route_name="openapi", request_method="GET", renderer="json")


def build_redirect_uri(issuer: str) -> str:
    """Where the public client's users come back to: one page, on the issuer's host."""
    return issuer.rstrip("/") + _REDIRECT


def show_document(context: Any, request: Request) -> dict[str, Any]:
    """The document for this host."""
    request.response.headers["Cache-Control"] = "no-cache"
    return build_document(request)


def build_document(request: Request) -> dict[str, Any]:
    """The document with its security, and with the address below which this application is mounted."""
    parts: Parts = request.registry["example_app.parts"]
    document = request.registry[_SOURCE] | {"servers": [{"url": "/"}]}
    flows = _build_flows(request, parts) if parts.embedded else None
    found = secure_document(document, request.registry, flows=flows, scopes=_MEANINGS if flows else None)
    for flow in found["components"]["securitySchemes"][SCHEME].get("flows", {}).values():
        flow["scopes"] = _MEANINGS  # without those of /mcp, which the document does not have
    return found | {"servers": [{"url": request.script_name or "/"}]}


def _build_flows(request: Request, parts: Parts) -> dict[str, dict[str, str]]:
    """By code and PKCE; by client credentials only where their secret is public anyway."""
    token = request.route_path("oauthguard.token")
    code = {"authorizationUrl": request.route_path("oauthguard.authorize"), "tokenUrl": token}
    return {"authorizationCode": code} | ({"clientCredentials": {"tokenUrl": token}} if parts.demo else {})
