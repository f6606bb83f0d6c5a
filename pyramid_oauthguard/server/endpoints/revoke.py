"""POST /revoke (RFC 7009): the answer is 200 and an empty object, also for an unknown token; the hint is optional."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from authlib.oauth2.rfc7009 import RevocationEndpoint
from pyramid.config import Configurator
from pyramid.request import Request

from ...jwt.algorithms import ALGORITHMS
from ..clients.credentials import EVERY, NONE, read_credentials
from ..clients.live import find_live
from ..grants.authlib_bridge import OAuthServer
from ..grants.authlib_request import OAuthClient, OAuthRequest
from ..grants.jwt_bearer import JWT_BEARER
from ..http.cors import Readers
from ..http.errors import InvalidGrantError
from ..service import Service, find_service
from ..settings import ServerSettings
from ..store.records import Client
from ..tokens.revocation import revoke_token
from ..tokens.status import TokenRecord, find_token
from .views import add_endpoint

__all__ = ["Revocation", "describe", "include"]

ROUTE = "oauthguard.revoke"


class Revocation(RevocationEndpoint):
    """Authlib's endpoint without its checks of the hint, which answer 401 to an unknown hint and find no token with a
    wrong one."""

    CLIENT_AUTH_METHODS = EVERY

    def authenticate_endpoint_client(self, request: OAuthRequest) -> OAuthClient:
        """The client; for a token that an assertion was exchanged for, its ``client_id`` alone is enough."""
        found = self._find_identified(request)
        if found is not None:
            return found
        client: OAuthClient = super().authenticate_endpoint_client(request)
        return client

    def _find_identified(self, request: OAuthRequest) -> OAuthClient | None:
        """The client that a request without client authentication names, if the token is its own, of the JWT bearer grant."""
        credentials, service = read_credentials(request.headers.get("Authorization"), request.form), self.server.service
        if credentials.method != NONE or "token" not in request.form:
            return None
        with service.limits.watch(request.pyramid, "revocation") as attempt:
            client = self._find_owner(request, credentials.client_id)
            if client is None:
                return None
            attempt.name(client.client_id, ())
            attempt.check_site(service.origins.__contains__)
            attempt.identify()
        return OAuthClient(client, service)

    def _find_owner(self, request: OAuthRequest, client_id: str) -> Client | None:
        service = self.server.service
        with service.store.reading() as unit:
            token = find_token(unit, service.pepper, request.form["token"], request.form.get("token_type_hint"))
            grant = None if token is None or token.grant_id is None else unit.find_grant(token.grant_id)
            if grant is None or grant.grant_type != JWT_BEARER or grant.client_id != client_id:
                return None
            return find_live(unit, client_id, service.settings)

    def authenticate_token(self, request: OAuthRequest, client: OAuthClient) -> TokenRecord | None:
        text = request.parameters.require("token")
        service = self.server.service
        with service.store.reading() as unit:
            token = find_token(unit, service.pepper, text, request.form.get("token_type_hint"))
        if token is not None and token.client_id != client.get_client_id():
            raise InvalidGrantError(
                "The token was issued to another client."
            )  # RFC 7009 section 2.1: the client is told
        return token

    def revoke_token(self, token: TokenRecord, request: OAuthRequest) -> None:
        revoke_token(self.server.service, token)

    def create_endpoint_response(self, request: OAuthRequest) -> tuple[int, dict[str, str], list[tuple[str, str]]]:
        """An empty object. Clients ignore it (RFC 7009 section 2.2), but many parse the body first, and browsers parse
        an answer without a media type as XML."""
        super().create_endpoint_response(request)
        return 200, {}, []


def include(config: Configurator, settings: ServerSettings) -> None:
    """Add the route and its view."""
    add_endpoint(config, ROUTE, settings.find_path("revoke"), {"POST": answer_revocation}, readers=Readers.CLIENTS)


def answer_revocation(request: Request) -> Any:
    """Revoke a token of the authenticated client, and the other tokens of its grant."""
    server = OAuthServer(find_service(request))
    server.register_endpoint(Revocation)
    return server.create_endpoint_response(Revocation.ENDPOINT_NAME, request)


def describe(service: Service, locate: Callable[[str], str]) -> dict[str, Any]:
    """The members of the metadata."""
    return {
        "revocation_endpoint": locate(ROUTE),
        "revocation_endpoint_auth_methods_supported": list(Revocation.CLIENT_AUTH_METHODS),
        "revocation_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
    }
