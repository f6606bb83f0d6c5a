"""Grants that an application adds: the tokens of Authlib-style grants, and limits against guessing.

A grant class declares whether it acts for a user: ``ACTS_FOR_USER = True`` or ``False``. With True it passes the user
to ``self.generate_token(user=…)``, and its tokens are checked as those of the built-in grants are: the user's identifier, that
the user is active, that the user allowed this client these scopes at these APIs, and what the client is registered for.
:class:`~pyramid_oauthguard.server.grants.oauth_grant.OAuthGrant` does that by itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ...errors import UnavailableError
from ..clients.entitlement import check_grant, check_scopes, choose_audiences, choose_scopes
from ..grant_types import GrantDeclaration
from ..http.errors import ServerError, UnauthorizedClientError
from ..service import Service
from ..store.contract import Unit
from ..store.records import Client
from .consented import make_user_answer, store_pending
from .issuing import TokenAnswer, make_token
from .user_grants import build_grant

if TYPE_CHECKING:
    from .authlib_bridge import OAuthServer
    from .authlib_request import OAuthRequest

__all__ = ["limit_guesses", "make_answer", "store_grant"]

log = logging.getLogger("pyramid_oauthguard.server")


def make_answer(server: OAuthServer, client: Client, *, user: Any, scope: str | None, refresh: bool) -> TokenAnswer:
    """The answer with a token for the user, or for the client itself, as the grant class declares. Not stored yet.

    :param user: the user's ``sub``, or an object whose ``get_user_id()`` returns it; None for the client itself.
    :param refresh: whether the grant wants a refresh token for the user.
    :raises OAuth2Error: the client or the user may not have it, or the grant does not name the user (which is logged).
    """
    service, declaration = server.service, server.declaration
    check_grant(client, declaration.grant_type)
    scopes = choose_scopes(client, service.settings, scope)
    audiences = choose_audiences(client, service.settings, server.resources)
    if not declaration.acts_for_user:
        _check_no_user(declaration, user)
        return make_token(service, client, subject=None, scopes=scopes, audiences=audiences)
    grant = build_grant(client, _require_subject(declaration, user), scopes=scopes, audiences=audiences)
    return make_user_answer(service, declaration, client, grant, scopes=scopes, audiences=audiences, refresh=refresh)


def store_grant(service: Service, unit: Unit, answer: TokenAnswer, declaration: GrantDeclaration) -> None:
    """Store, in the caller's unit, the grant that a token belongs to, if it belongs to one.

    :raises OAuth2Error: the user withdrew the consent a moment ago, or the token of an added grant does not agree with
        its class or the client's registration.
    """
    if answer.pending is not None:
        store_pending(service, unit, answer, answer.pending)
    elif declaration.added:
        _check_made_by_hand(service, unit, answer, declaration)


def limit_guesses(service: Service, asked: OAuthRequest, answer: Callable[[OAuthRequest], Any]) -> Any:
    """Answer a request, and count it as a wrong client secret is counted if it is refused.

    A value presented for such a grant may be short enough to be guessed. So each request is counted before the grant
    reads it: for the address at once, and for the client as soon as it is authenticated.

    :raises TooManyRequestsError: too many were refused from this address.
    :raises CrossSiteError: a page sent it, of a site that no public client is registered for.
    """
    asked.guess = guess = service.limits.open_guess(asked.pyramid, is_shared_with=service.origins.__contains__)
    try:
        response = answer(asked)
    except UnavailableError:
        guess.take_back()
        raise
    if asked.error is None and _has_token(response):  # a grant may also return its refusal, with any status
        guess.take_back()
    return response


def _has_token(response: Any) -> bool:
    return response.status_int == HTTPStatus.OK and "access_token" in response.json_body


def _check_made_by_hand(service: Service, unit: Unit, answer: TokenAnswer, declaration: GrantDeclaration) -> None:
    """Check a token that belongs to no stored grant of a user, such as one of ``server.make_token``."""
    record = answer.made.record
    if declaration.acts_for_user and record.grant_id is None and record.subject == record.client_id:
        name = declaration.grant_class.__qualname__
        log.error("%s acts for a user, and made a token for the client itself", name)
        raise ServerError
    client = unit.find_client(record.client_id)
    if client is None:
        raise UnauthorizedClientError("The client is not registered for this grant.")
    check_grant(client, declaration.grant_type)
    check_scopes(client, service.settings, record.scopes)
    choose_audiences(client, service.settings, record.audiences)


def _check_no_user(declaration: GrantDeclaration, user: Any) -> None:
    if user is not None:
        name = declaration.grant_class.__qualname__
        log.error("%s says that the client acts for itself, and passes a user: set ACTS_FOR_USER = True", name)
        raise ServerError


def _require_subject(declaration: GrantDeclaration, user: Any) -> str:
    find = getattr(user, "get_user_id", None)  # as Authlib's users have it
    subject = user if find is None else find()
    if isinstance(subject, str):
        return subject
    log.error(
        "%s acts for a user and does not say which: it has to call generate_token(user=…) with the user's sub, a text, not %s",
        declaration.grant_class.__qualname__,
        type(subject).__name__,
    )
    raise ServerError
