"""A client presents an assertion about a user, and gets tokens for this user (RFC 7523 section 2.1)."""

from __future__ import annotations

import logging
from typing import Final

from ...errors import InvalidToken
from ..assertions.trusted import Accepted
from ..clients.credentials import CONFIDENTIAL
from ..http.errors import InvalidGrantError, InvalidScopeError
from ..http.parameters import Parameters
from ..store.records import Client
from .oauth_grant import Approval, OAuthGrant

__all__ = ["JWT_BEARER", "JWTBearer"]

log = logging.getLogger("pyramid_oauthguard.server")
JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class JWTBearer(OAuthGrant):
    """The client must prove who it is. An assertion gives no scope, API or lifetime beyond what the settings allow its issuer,
    and is accepted once."""

    GRANT_TYPE = JWT_BEARER
    SHORT_NAME = "jwt_bearer"
    PARAMETERS = ("assertion",)
    NEEDS_CONSENT = False
    TOKEN_ENDPOINT_AUTH_METHODS = CONFIDENTIAL

    def approve(self, client: Client, parameters: Parameters) -> Approval:
        text = parameters.require("assertion")
        try:
            accepted = self.server.service.assertions.accept(client, text)
        except InvalidToken as error:
            log.info("client %s: an assertion was refused: %s", client.client_id, error.reason)
            raise InvalidGrantError(
                "The assertion is invalid, expired, used, or not accepted from this client."
            ) from None
        return Approval(
            subject=accepted.subject,
            scopes=_limit(accepted.rules.scopes, accepted.said.scopes, client.scopes),
            audiences=_choose_audiences(accepted),
            refresh=accepted.rules.refresh_tokens,
            max_life=accepted.rules.access_token_ttl,
            once=accepted.once,
        )


def _limit(
    allowed: tuple[str, ...] | None, said: tuple[str, ...] | None, registered: tuple[str, ...]
) -> tuple[str, ...]:
    """What the settings allow the issuer, the issuer the assertion, and the registration the client.

    :raises InvalidScopeError: the assertion names scopes, and nothing is left of them.
    """
    left = tuple(
        scope for scope in registered if (allowed is None or scope in allowed) and (said is None or scope in said)
    )
    if said and not left:
        raise InvalidScopeError("The assertion names no scope that the client may have.")
    return left


def _choose_audiences(accepted: Accepted) -> tuple[str, ...] | None:
    """None: those of the client."""
    allowed, said = accepted.rules.audience or None, accepted.said.audiences
    if allowed is None or said is None:
        return said if allowed is None else allowed
    return tuple(each for each in said if each in allowed)
