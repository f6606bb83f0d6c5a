"""Tokens for a user without a page: what the user allowed before is checked when they are made, and again when they are stored."""

from __future__ import annotations

import logging
from typing import Any

from ..grant_types import GrantDeclaration
from ..http.errors import InvalidGrantError
from ..opaque import REFRESH_PREFIX, make_opaque
from ..service import Service
from ..store.contract import Unit
from ..store.records import Client, Grant
from .issuing import PendingGrant, TokenAnswer
from .user_grants import check_no_document, check_subject, is_asked
from .user_names import describe_user
from .user_tokens import add_refresh_token, make_access_token, may_refresh

__all__ = ["make_user_answer", "store_pending"]

log = logging.getLogger("pyramid_oauthguard.server")


def make_user_answer(
    service: Service,
    declaration: GrantDeclaration,
    client: Client,
    grant: Grant,
    *,
    scopes: tuple[str, ...],
    audiences: tuple[str, ...],
    refresh: bool = True,
    max_life: float | None = None,
    once: tuple[bytes, float] | None = None,
) -> TokenAnswer:
    """The answer with a token for a user. Nothing is stored yet.

    :param scopes: of the access token.
    :param audiences: of the access token.
    :param refresh: whether there may be a refresh token.
    :param max_life: see :class:`.oauth_grant.Approval`, also for ``once``.
    :raises InvalidGrantError: the user is not active, or has not allowed it.
    :raises ServerError: the subject can't be a ``sub``.
    """
    refresh = refresh and declaration.may_refresh and may_refresh(service, client)
    pending = PendingGrant(client, grant, refresh, declaration.needs_consent, once)
    check_no_document(grant.subject, service.settings)
    if not service.is_active_user(grant.subject):
        raise _build_refusal()
    with service.store.reading() as unit:
        _check_allowed(unit, pending, hold=False)
    claims = describe_user(service, grant.subject)
    how: dict[str, Any] = {"scopes": scopes, "audiences": audiences, "claims": claims, "max_life": max_life}
    answer = make_access_token(service, client, grant, **how)
    answer.pending = pending
    return answer


def store_pending(service: Service, unit: Unit, answer: TokenAnswer, pending: PendingGrant) -> None:
    """Store the grant of an answer in the caller's unit, and the refresh token.

    :raises InvalidGrantError: the user withdrew the consent a moment ago, or what may be used once was used before.
    """
    if pending.once is not None and not unit.add_assertion(*pending.once):
        log.info("client %s: an assertion was refused: used before", pending.client.client_id)
        raise InvalidGrantError("The assertion is invalid, expired, used, or not accepted from this client.")
    _check_allowed(unit, pending, hold=True)
    unit.add_grant(pending.grant)
    if pending.refresh:
        add_refresh_token(service, unit, answer, pending.client, pending.grant, made=make_opaque(REFRESH_PREFIX))


def _check_allowed(unit: Unit, pending: PendingGrant, *, hold: bool) -> None:
    """Check that the authorization endpoint would not have to ask this user."""
    client, grant = pending.client, pending.grant
    check_subject(unit, grant.subject)
    if not pending.needs_consent:
        return
    consents = unit.list_consents(grant.subject, client_id=client.client_id, hold=hold)
    if is_asked(client, grant.scopes, grant.audiences, consents):
        log.info("client %s was refused a token for a user who has not allowed it", client.client_id)
        raise _build_refusal()


def _build_refusal() -> InvalidGrantError:
    return InvalidGrantError("The user is not active, or has not allowed this client what it asks for.")
