"""POST /token (RFC 6749 section 3.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyramid.config import Configurator
from pyramid.request import Request

from ...jwt.algorithms import ALGORITHMS
from ..clients.authentication import TOKEN_ROUTE as ROUTE
from ..clients.credentials import CONFIDENTIAL, EVERY, NONE
from ..grants.authlib_bridge import OAuthServer
from ..http.cors import Readers
from ..service import Service, find_service
from ..settings import ServerSettings
from .views import add_endpoint

__all__ = ["describe", "include"]


def include(config: Configurator, settings: ServerSettings) -> None:
    """Add the route and its view."""
    add_endpoint(config, ROUTE, settings.find_path("token"), {"POST": answer_token}, readers=Readers.CLIENTS)


def answer_token(request: Request) -> Any:
    """One of the grants; see ``grants``."""
    service = find_service(request)
    service.keys.keep_up()  # called here, where no unit is open
    return OAuthServer(service).create_token_response(request)


def describe(service: Service, locate: Callable[[str], str]) -> dict[str, Any]:
    """The members of the metadata."""
    public = any(NONE in grant.grant_class.TOKEN_ENDPOINT_AUTH_METHODS for grant in service.grants.values())
    return {
        "token_endpoint": locate(ROUTE),
        "token_endpoint_auth_methods_supported": list(EVERY if public else CONFIDENTIAL),
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "grant_types_supported": sorted(service.grants),
    }
