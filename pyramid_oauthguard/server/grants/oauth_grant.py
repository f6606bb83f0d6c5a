"""The base class of grants that act for users: the application returns the user and the scopes, and this package does
the rest."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from authlib.oauth2.rfc6749 import BaseGrant, TokenEndpointMixin

from ..clients.credentials import CONFIDENTIAL
from ..clients.entitlement import (
    check_grant,
    choose_audiences,
    choose_scopes,
    keep_audiences,
    narrow_audiences,
    narrow_scopes,
)
from ..http.errors import ServerError
from ..http.parameters import Parameters
from ..settings import ServerSettings
from ..store.records import Client
from .consented import make_user_answer
from .issuing import TokenAnswer
from .user_grants import build_grant

__all__ = ["Approval", "OAuthGrant"]

log = logging.getLogger("pyramid_oauthguard.server")


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Whom the tokens of a grant act for, and what they are for.

    :ivar subject: the ``sub`` of the user.
    :ivar scopes: the scopes that are granted; those that the client is not registered for are left out. A client that
        names scopes in its request gets a token for these, and is refused if they are not among the granted ones. None:
        the scopes that the client asks for.
    :ivar audiences: the same for APIs (``resource`` in the request).
    :ivar refresh: False: there is no refresh token, whatever the client is registered for.
    :ivar max_life: how many seconds the access token lives at the most; None: as all tokens of the client.
    :ivar once: 32 bytes that are accepted once, in the transaction that stores the token, and when they may be forgotten.
    """

    subject: str
    scopes: Collection[str] | None = None
    audiences: Collection[str] | None = None
    refresh: bool = True
    max_life: float | None = None
    once: tuple[bytes, float] | None = None


class OAuthGrant(BaseGrant, TokenEndpointMixin, ABC):
    """A grant of the token endpoint that acts for a user. A subclass sets ``GRANT_TYPE`` and has the method :meth:`approve`.

    Everything else is done here: the client is authenticated and must be registered for the grant, requests are limited, the
    user must be active and must have allowed it, tokens are stored, refreshed, audited and end with the consent.

    :cvar GRANT_TYPE: the value of ``grant_type``: a URI.
    :cvar SHORT_NAME: how settings and the registration of clients may call it, too.
    :cvar PARAMETERS: the parameters that it reads. One that is repeated is refused.
    :cvar REPEATABLE_PARAMETERS: parameters that it reads and that may be repeated.
    :cvar TOKEN_ENDPOINT_AUTH_METHODS: how clients may authenticate. By default, those that prove who they are.
    :cvar NEEDS_CONSENT: the user must have allowed this client these scopes at these APIs on the consent page before. False
        where :meth:`approve` proves it, such as by the assertion of an issuer that you trust.
    :cvar MAY_REFRESH: clients that are registered for ``refresh_token`` get a refresh token.
    """

    ACTS_FOR_USER = True
    NEEDS_CONSENT = True
    MAY_REFRESH = True
    PARAMETERS: Collection[str] = ()
    REPEATABLE_PARAMETERS: Collection[str] = ()
    SHORT_NAME: str | None = None
    TOKEN_ENDPOINT_AUTH_METHODS = CONFIDENTIAL

    @abstractmethod
    def approve(self, client: Client, parameters: Parameters) -> Approval:
        """Return whom the tokens act for. Called once for each request, before anything is stored.

        The request of Pyramid is ``self.request.pyramid``.

        :param client: authenticated, and registered for this grant.
        :param parameters: ``parameters.require("voucher")`` is the value of one, and ``parameters.get_all("resource")``
            those of one that may be repeated.
        :raises InvalidGrantError: the presented value is not valid. The client is told the text, in ASCII without
            quotes.
        """

    def validate_token_request(self) -> None:
        self.request.client = self.authenticate_token_endpoint_client()
        client = self.request.client.record
        check_grant(client, self.GRANT_TYPE)
        approval: Any = self.approve(client, self.request.parameters)
        _check_approval(type(self).__qualname__, approval)
        self.request.approval = approval

    def create_token_response(self) -> tuple[int, TokenAnswer, Any]:
        server, client, approval = self.server, self.request.client.record, self.request.approval
        granted, scopes = _choose_scopes(client, server.service.settings, approval, self.request.payload.scope)
        apis, audiences = _choose_audiences(client, server.service.settings, approval, server.resources)
        grant = build_grant(client, approval.subject, scopes=granted, audiences=apis, grant_type=self.GRANT_TYPE)
        answer = make_user_answer(
            server.service,
            server.declaration,
            client,
            grant,
            scopes=scopes,
            audiences=audiences,
            refresh=approval.refresh,
            max_life=approval.max_life,
            once=approval.once,
        )
        self.save_token(answer)
        return 200, answer, self.TOKEN_RESPONSE_HEADER


def _check_approval(name: str, approval: Any) -> None:
    """Refuse a wrong return value of the application; the log says what is wrong."""
    subject: Any = getattr(approval, "subject", None)
    if not isinstance(approval, Approval):
        problem = f"returned a value of type {type(approval).__name__}, not an Approval"
    elif not isinstance(subject, str):
        problem = f"names a user by a value of type {type(subject).__name__}, not by text"
    elif isinstance(approval.scopes, str) or isinstance(approval.audiences, str):
        problem = "gives scopes or audiences as one text, not as several"
    else:
        return
    log.error("%s.approve() %s", name, problem)
    raise ServerError


def _choose_scopes(
    client: Client, settings: ServerSettings, approval: Approval, requested: str | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The scopes of the grant, and those of the access token."""
    if approval.scopes is None:
        chosen = choose_scopes(client, settings, requested)
        return chosen, chosen
    granted = narrow_scopes(client, settings, tuple(dict.fromkeys(approval.scopes)), None)
    return granted, narrow_scopes(client, settings, granted, requested)


def _choose_audiences(
    client: Client, settings: ServerSettings, approval: Approval, resources: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The APIs of the grant, and those of the access token."""
    if approval.audiences is None:
        chosen = choose_audiences(client, settings, resources)
        return chosen, chosen
    granted = keep_audiences(client, settings, tuple(dict.fromkeys(approval.audiences)))
    return granted, narrow_audiences(granted, resources)
