"""A client gets a token for itself (RFC 6749 section 4.4)."""

from __future__ import annotations

from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant

from ..clients.credentials import CONFIDENTIAL
from ..clients.entitlement import choose_audiences, choose_scopes
from .issuing import TokenAnswer, make_token

__all__ = ["ClientCredentials"]


class ClientCredentials(ClientCredentialsGrant):
    """Confidential clients only; no refresh token."""

    ACTS_FOR_USER = False
    TOKEN_ENDPOINT_AUTH_METHODS = CONFIDENTIAL

    def generate_token(self, scope: str | None = None, **_: object) -> TokenAnswer:
        service, client = self.server.service, self.request.client.record
        resources = self.request.parameters.get_all("resource")
        return make_token(
            service,
            client,
            subject=None,
            scopes=choose_scopes(client, service.settings, scope),
            audiences=choose_audiences(client, service.settings, resources),
        )
