"""Authlib's server over Pyramid's requests and our store. What is replaced of Authlib, and why:

- Its request merges query and body, lets parameters be repeated, and insists on the transport that the WSGI server saw:
  ours is in :mod:`~pyramid_oauthguard.server.grants.authlib_request`, made of the parameters that
  :mod:`~pyramid_oauthguard.server.http.parameters` reads and of the issuer's URL, which start-up has checked.
- Its client authentication accepts two methods at a time, logs what it can't read, and raises on odd bytes: ours is in
  :mod:`~pyramid_oauthguard.server.clients.authentication`.
- Its tokens live ten days, and its grants log them at DEBUG: ours are issued by
  :mod:`~pyramid_oauthguard.server.grants.issuing`, in an answer whose repr contains no token.
- It answers an unknown grant type with the client's own text, and 401 with a challenge that lacks a realm.
"""

from __future__ import annotations

from typing import Any

from authlib.oauth2 import AuthorizationServer
from pyramid.request import Request

from ..clients.live import find_live
from ..grant_types import GrantDeclaration
from ..http.answers import build_answer, build_error
from ..http.errors import InvalidRequestError, OAuth2Error, UnsupportedGrantTypeError
from ..http.parameters import read_body
from ..service import Service
from ..store.records import Client
from .added import limit_guesses, make_answer, store_grant
from .authlib_request import OAuthClient, OAuthRequest
from .issuing import TokenAnswer, make_token, store_token

__all__ = ["OAuthServer"]


class OAuthServer(AuthorizationServer):
    """Authlib's server, one for each request; it holds nothing that outlives it.

    :ivar declaration: of the grant that the request is for.
    :ivar resources: the APIs that the request names (RFC 8707).
    :param described: the client of the request, as its document describes it now.
    """

    declaration: GrantDeclaration

    def __init__(self, service: Service, *, described: Client | None = None) -> None:
        super().__init__()
        self._described = described
        self.service = service
        self.resources: tuple[str, ...] = ()

    # What Authlib calls.

    def create_oauth2_request(self, request: Request | OAuthRequest) -> OAuthRequest:
        if isinstance(request, OAuthRequest):
            return request
        return OAuthRequest(request, read_body(request, grants=self.service.grants), self.service)

    def query_client(self, client_id: str) -> OAuthClient | None:
        if self._described is not None and self._described.client_id == client_id:
            return OAuthClient(self._described, self.service)
        with self.service.store.reading() as unit:
            record = find_live(unit, client_id, self.service.settings)
        return None if record is None else OAuthClient(record, self.service)

    def create_token_response(self, request: Request) -> Any:
        asked = self.create_oauth2_request(request)
        found, answer = self.service.grants.get(asked.payload.grant_type), super().create_token_response
        return limit_guesses(self.service, asked, answer) if found is not None and found.added else answer(asked)

    def authenticate_client(self, request: OAuthRequest, methods: list[str], endpoint: str = "token") -> OAuthClient:
        client, request.auth_method = self.service.authentication.authenticate(
            request.pyramid, request.form, methods=methods, endpoint=endpoint, guess=request.guess
        )
        return OAuthClient(client, self.service)

    def get_authorization_grant(self, request: OAuthRequest) -> Any:
        for declaration in self.service.grants.values():
            self._register(declaration)
        return super().get_authorization_grant(request)

    def get_token_grant(self, request: OAuthRequest) -> Any:
        if request.payload.grant_type is None:
            raise InvalidRequestError("The parameter grant_type is missing.")
        declaration = self.service.grants.get(request.payload.grant_type)
        if declaration is None:
            raise _UnsupportedGrantType
        self._register(declaration)
        try:
            grant = super().get_token_grant(request)
        except UnsupportedGrantTypeError:
            raise _UnsupportedGrantType from None
        self.declaration = declaration
        self.resources = request.parameters.get_all("resource")
        return grant

    def validate_requested_scope(self, scope: str | None) -> None:
        """Nothing yet: what is allowed depends on the client, see :func:`~.entitlement.choose_scopes`."""

    def generate_token(
        self, grant_type: str, client: OAuthClient, user: Any = None, scope: str | None = None, **how: Any
    ) -> TokenAnswer:
        """The token of a grant that the application added; see :mod:`~pyramid_oauthguard.server.grants.added`.

        ``expires_in`` is not used: access tokens live ``access_token_ttl``.
        """
        refresh: bool = how.get("include_refresh_token", True)
        return make_answer(self, client.record, user=user, scope=scope, refresh=refresh)

    def save_token(self, token: TokenAnswer, request: OAuthRequest) -> None:
        with self.service.store.writing() as unit:
            store_grant(self.service, unit, token, self.declaration)
            store_token(self.service, unit, token, grant_type=request.payload.grant_type)

    def handle_response(self, status_code: int, payload: Any, headers: Any) -> Any:
        return build_answer(status_code, payload)

    def handle_error_response(self, request: OAuthRequest, error: OAuth2Error) -> Any:
        request.error = error
        return build_error(error)

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nothing: our events are sent after the commit."""

    # What grants call.

    def make_token(self, client: Client, **how: Any) -> TokenAnswer:
        """See :func:`~pyramid_oauthguard.server.grants.issuing.make_token`."""
        return make_token(self.service, client, **how)

    def _register(self, declaration: GrantDeclaration) -> None:
        """Not at the start: each endpoint registers only the grants that it can choose."""
        self.register_grant(declaration.grant_class, list(declaration.extensions))


class _UnsupportedGrantType(OAuth2Error):
    error = "unsupported_grant_type"
    description = "The grant_type is not supported by this server."
