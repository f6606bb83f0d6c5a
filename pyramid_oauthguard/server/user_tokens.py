"""Tokens that act for a user: the one place where the access and the refresh token of a grant are made."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .random_values import REFRESH_PREFIX, make_opaque
from .store.contract import Unit
from .store.records import Client, Grant, RefreshTokenRecord

if TYPE_CHECKING:
    from .adapter import OAuthServer, TokenAnswer
    from .service import Service

__all__ = ["issue", "may_refresh"]

REFRESH_TOKEN = "refresh_token"  # noqa: S105  # RFC 6749's name of the grant


def issue(
    server: OAuthServer,
    unit: Unit,
    client: Client,
    grant: Grant,
    *,
    scopes: tuple[str, ...],
    audiences: tuple[str, ...],
    grant_type: str,
) -> TokenAnswer:
    """Make the tokens of a grant in the caller's unit: they exist once that commits, and ``TokenIssued`` is sent then.

    The refresh token is there where :func:`may_refresh` says so. It carries the whole of the grant, whatever the access
    token was narrowed to (RFC 6749 section 6, RFC 8707 section 2.2); its record is the answer's ``refresh``, else None.
    It lives ``refresh_token_ttl`` seconds, but never past ``refresh_token_max_age`` after the grant was made.

    NOT checked: that the grant is stored and live, that the user is active, and that scopes and audiences are of the grant.

    :param client: the record, not Authlib's view of it.
    :param scopes: of the access token.
    :param audiences: of the access token.
    :param grant_type: what was presented for it, for the event.
    :raises UnavailableError: the storage or the signing key can't be reached.
    """
    claims = None if grant.auth_time is None else {"auth_time": int(grant.auth_time)}  # RFC 9068 section 2.2.1
    answer = server.make_token(
        client, subject=grant.subject, scopes=scopes, audiences=audiences, grant_id=grant.grant_id, claims=claims
    )
    server.add_token(unit, answer, grant_type)
    now = time.time()
    expires_at = _find_end(server.service, grant, now)
    if may_refresh(server.service, client) and now < expires_at:
        _add_refresh_token(server.service, unit, answer, grant, now, expires_at)
    return answer


def may_refresh(service: Service, client: Client) -> bool:
    """Whether this client is given refresh tokens: the grant is on, and it is registered for it."""
    return REFRESH_TOKEN in service.grants and REFRESH_TOKEN in client.grants


def _find_end(service: Service, grant: Grant, now: float) -> float:
    settings = service.settings
    return min(now + settings.refresh_token_ttl, grant.created_at + settings.refresh_token_max_age)


def _add_refresh_token(
    service: Service, unit: Unit, answer: TokenAnswer, grant: Grant, now: float, expires_at: float
) -> None:
    made = make_opaque(REFRESH_PREFIX)
    answer.refresh = RefreshTokenRecord(
        token_id=made.token_id,
        hash=service.pepper.hash_token(made.text),
        grant_id=grant.grant_id,
        client_id=grant.client_id,
        subject=grant.subject,
        scopes=grant.scopes,
        audiences=grant.audiences,
        issued_at=now,
        expires_at=expires_at,
    )
    unit.add_refresh_token(answer.refresh)
    answer["refresh_token"] = made.text
