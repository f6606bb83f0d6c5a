"""A client gets a token for itself (RFC 6749 section 4.4)."""

from __future__ import annotations

from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant

from ..clients.authentication import CONFIDENTIAL
from ..clients.entitlement import choose_audiences, choose_scopes
from .authlib_bridge import TokenAnswer

__all__ = ["ClientCredentials"]


class ClientCredentials(ClientCredentialsGrant):
    """Confidential clients only; no refresh token."""

    ACTS_FOR_USER = False
    TOKEN_ENDPOINT_AUTH_METHODS = CONFIDENTIAL

    def generate_token(self, scope: str | None = None, **_: object) -> TokenAnswer:
        client, settings = self.request.client.record, self.server.service.settings
        resources = self.request.parameters.get_all("resource")
        answer: TokenAnswer = self.server.make_token(
            client,
            subject=None,
            scopes=choose_scopes(client, settings, scope),
            audiences=choose_audiences(client, settings, resources),
        )
        return answer
