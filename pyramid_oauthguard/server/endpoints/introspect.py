"""POST /introspect (RFC 7662): for resource servers, about access tokens that are for them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from pyramid.config import Configurator
from pyramid.request import Request

from ...jwt.algorithms import ALGORITHMS
from ..clients.credentials import CONFIDENTIAL, build_refusal
from ..clients.entitlement import find_audiences
from ..grants.authlib_bridge import OAuthServer
from ..grants.authlib_request import OAuthClient, OAuthRequest
from ..service import Service, find_service
from ..settings import ServerSettings
from ..store.records import RESOURCE_SERVER, AccessTokenRecord, Client
from ..tokens.lookup import find_access_token
from ..tokens.status import INACTIVE, describe_token, is_active
from .views import add_endpoint

__all__ = ["Introspection", "describe", "include"]

ROUTE = "oauthguard.introspect"


class Introspection(IntrospectionEndpoint):
    """Authlib's endpoint without its check of the hint, which answers 401 to an unknown hint.

    The hint is not read: a refresh token is always inactive. An API that was told that it is active could take it for
    an access token.
    """

    CLIENT_AUTH_METHODS = CONFIDENTIAL

    def authenticate_endpoint_client(self, request: OAuthRequest) -> OAuthClient:
        client: OAuthClient = super().authenticate_endpoint_client(request)
        if client.record.role != RESOURCE_SERVER:
            self._report_role(client.record)
            raise build_refusal()
        return client

    def authenticate_token(self, request: OAuthRequest, client: OAuthClient) -> AccessTokenRecord | None:
        text = request.parameters.require("token")
        service: Service = self.server.service
        with service.store.reading() as unit:
            token = find_access_token(unit, service.pepper, text)
        if token is None:
            return None
        audiences = find_audiences(client.record, service.settings)
        if not set(token.audiences).intersection(audiences):
            self._report_audience(client.record, audiences, token.audiences)
            return None  # nothing is disclosed about a token for another API
        return token

    def _report_role(self, client: Client) -> None:
        text = (
            f"introspection refused: the client {client.client_id} ({client.name!r}) is not a resource server; register one for "
            "the API: oauthguard server client create --resource-server"
        )
        self._report(f"{client.client_id}: role", text)

    def _report_audience(self, client: Client, own: Iterable[str], found: Iterable[str]) -> None:
        text = (
            f"introspection: the client {client.client_id} ({client.name!r}) was told that a token is inactive, because the token "
            f"is for {' '.join(found)}, and this client for {' '.join(own) or 'no audience'}"
        )
        self._report(f"{client.client_id}: audience", text)

    def _report(self, cause: str, text: str) -> None:
        service: Service = self.server.service
        service.mistakes.report(cause, text, level=logging.WARNING)

    def create_introspection_payload(self, token: AccessTokenRecord | None) -> dict[str, Any]:
        service = self.server.service
        if token is None or not is_active(token, service):
            return dict(INACTIVE)
        return describe_token(token, service.settings.issuer)


def include(config: Configurator, settings: ServerSettings) -> None:
    """Add the route and its view."""
    add_endpoint(config, ROUTE, settings.find_path("introspect"), {"POST": answer_introspection})


def answer_introspection(request: Request) -> Any:
    """Whether a token is active, and what it is for."""
    server = OAuthServer(find_service(request))
    server.register_endpoint(Introspection)
    return server.create_endpoint_response(Introspection.ENDPOINT_NAME, request)


def describe(service: Service, locate: Callable[[str], str]) -> dict[str, Any]:
    """The members of the metadata."""
    return {
        "introspection_endpoint": locate(ROUTE),
        "introspection_endpoint_auth_methods_supported": list(Introspection.CLIENT_AUTH_METHODS),
        "introspection_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
    }
