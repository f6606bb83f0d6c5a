"""Tokens that act for a user: the one place where the access and the refresh token of a grant are made."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ..opaque import REFRESH_PREFIX, OpaqueValue, make_opaque
from ..service import Service
from ..store.contract import Unit
from ..store.records import Client, Grant, RefreshTokenRecord
from .issuing import TokenAnswer, make_token, store_token

__all__ = ["add_refresh_token", "find_end", "issue", "issue_access_token", "make_access_token", "may_refresh"]

REFRESH_TOKEN = "refresh_token"  # noqa: S105  # RFC 6749's name of the grant


def issue(
    service: Service,
    unit: Unit,
    client: Client,
    grant: Grant,
    *,
    scopes: tuple[str, ...],
    audiences: tuple[str, ...],
    claims: Mapping[str, Any],
    grant_type: str,
) -> TokenAnswer:
    """Make the tokens of a grant in the caller's unit: they exist once that commits, and ``TokenIssued`` is sent then.

    A refresh token is made if :func:`may_refresh` returns True. It is for the whole grant, even if the access token is
    for a part of it (RFC 6749 section 6, RFC 8707 section 2.2). Its record is the answer's ``refresh``, which is None
    otherwise.
    It lives ``refresh_token_ttl`` seconds, but never past ``refresh_token_max_age`` after the grant was made: the client's own, or
    those of the settings.

    NOT checked: that the grant is stored and live, that the user is active, and that scopes and audiences are of the grant.

    :param client: the record, not Authlib's view of it.
    :param scopes: of the access token.
    :param audiences: of the access token.
    :param claims: about the user; see :func:`.user_names.describe_user`.
    :param grant_type: the grant type of the request, for the event.
    :raises UnavailableError: the storage or the signing key can't be reached.
    """
    how: dict[str, Any] = {"scopes": scopes, "audiences": audiences, "claims": claims, "grant_type": grant_type}
    answer = issue_access_token(service, unit, client, grant, **how)
    if may_refresh(service, client) and time.time() < find_end(service, client, grant):
        add_refresh_token(service, unit, answer, client, grant, made=make_opaque(REFRESH_PREFIX))
    return answer


def issue_access_token(
    service: Service,
    unit: Unit,
    client: Client,
    grant: Grant,
    *,
    scopes: tuple[str, ...],
    audiences: tuple[str, ...],
    claims: Mapping[str, Any],
    grant_type: str,
) -> TokenAnswer:
    """The access token alone; see :func:`issue`."""
    answer = make_access_token(service, client, grant, scopes=scopes, audiences=audiences, claims=claims)
    store_token(service, unit, answer, grant_type=grant_type)
    return answer


def make_access_token(
    service: Service,
    client: Client,
    grant: Grant,
    *,
    scopes: tuple[str, ...],
    audiences: tuple[str, ...],
    claims: Mapping[str, Any],
    max_life: float | None = None,
) -> TokenAnswer:
    """The access token alone, not stored yet; see :func:`issue`.

    :param max_life: see :class:`.oauth_grant.Approval`.
    """
    return make_token(
        service,
        client,
        subject=grant.subject,
        scopes=scopes,
        audiences=audiences,
        grant_id=grant.grant_id,
        auth_time=grant.auth_time,
        acr=grant.acr,
        max_life=max_life,
        claims=dict(claims),
    )


def may_refresh(service: Service, client: Client) -> bool:
    """Whether this client gets refresh tokens: the grant is on, and the client is registered for it."""
    return REFRESH_TOKEN in service.grants and REFRESH_TOKEN in client.grants


def find_end(service: Service, client: Client, grant: Grant) -> float:
    """When the last refresh token of a grant ends at the latest, however often it is used."""
    return grant.created_at + (client.refresh_token_max_age or service.settings.refresh_token_max_age)


def add_refresh_token(
    service: Service, unit: Unit, answer: TokenAnswer, client: Client, grant: Grant, *, made: OpaqueValue
) -> None:
    """Store the refresh token ``made``, and put it into the answer."""
    now, idle = time.time(), client.refresh_token_ttl or service.settings.refresh_token_ttl
    answer.refresh = RefreshTokenRecord(
        token_id=made.token_id,
        hash=service.pepper.hash_token(made.text),
        grant_id=grant.grant_id,
        client_id=grant.client_id,
        subject=grant.subject,
        scopes=grant.scopes,
        audiences=grant.audiences,
        issued_at=now,
        expires_at=min(now + idle, find_end(service, client, grant)),
    )
    unit.add_refresh_token(answer.refresh)
    answer["refresh_token"] = made.text
