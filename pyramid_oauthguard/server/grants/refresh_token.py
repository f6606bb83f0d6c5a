"""A client gets another access token of a grant, and another refresh token with it (RFC 6749 section 6).

Each refresh token is replaced when it is used, so if a thief and the client both use one, the second of them sends a
used token, and the whole grant ends (RFC 9700 section 4.14.2). The next token is computed from the token and a key of
ours. So a client that did not receive the answer may ask again at once and gets the same refresh token, although only
its hash is stored. Only one refresh token is live at a time, also if several processes of a client refresh at once.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from authlib.oauth2.rfc6749.grants import RefreshTokenGrant

from ..clients.credentials import EVERY
from ..clients.documents.renewal import renew_client
from ..clients.entitlement import keep_granted
from ..http.errors import InvalidGrantError
from ..opaque import REFRESH_PREFIX, OpaqueValue, derive_opaque
from ..service import Service
from ..store.contract import Unit
from ..store.records import Grant, RefreshTokenRecord
from ..tokens.lookup import find_refresh_token
from ..tokens.revocation import end_reused
from .issuing import TokenAnswer
from .user_grants import check_method
from .user_names import describe_user
from .user_tokens import add_refresh_token, find_end, issue_access_token

__all__ = ["RefreshToken"]

_PURPOSE = "refresh token that follows"


@dataclass(frozen=True, slots=True)
class _Presented:
    """A refresh token that a client sent: its record, and the token that replaces it."""

    record: RefreshTokenRecord
    grant: Grant
    successor: OpaqueValue

    @property
    def is_fresh(self) -> bool:
        """Whether the look-up saw no committed replacement."""
        return self.record.successor_id is None


class RefreshToken(RefreshTokenGrant):
    """Authlib's grant for the checks of the client; the rotation of the token is ours."""

    ACTS_FOR_USER = True
    MAY_REFRESH = False  # it continues a grant and does not begin one
    PARAMETERS = ("refresh_token",)
    TOKEN_ENDPOINT_AUTH_METHODS = EVERY

    def validate_token_request(self) -> None:
        request = self.request
        request.client = self._validate_request_client()
        text = request.parameters.require("refresh_token")
        request.refresh_token = presented = self._load(text)
        client, settings = request.client.record, self.server.service.settings
        resources, scope = request.parameters.get_all("resource"), request.payload.scope
        request.granted = keep_granted(client, settings, presented.grant, resources, scope=scope)

    def create_token_response(self) -> tuple[int, TokenAnswer, object]:
        service, presented = self.server.service, self.request.refresh_token
        claims = describe_user(service, presented.grant.subject)
        with service.store.writing() as unit:
            answer = self._replace(unit, presented, claims)
        if answer is None:
            end_reused(service, self.request.pyramid, presented.record)
            raise _build_refusal()
        return 200, answer, self.TOKEN_RESPONSE_HEADER

    def _load(self, text: str) -> _Presented:
        """The token, unless it is not live or is another client's. A used one is returned: it may be in the grace
        period."""
        service, client = self.server.service, self.request.client.record
        successor = derive_opaque(REFRESH_PREFIX, service.pepper.derive_key(_PURPOSE), text)
        with service.store.reading() as unit:
            record = find_refresh_token(unit, service.pepper, text)
            grant = unit.find_grant(record.grant_id) if record else None
            replaced = record is not None and record.successor_id is not None
            stolen = record is not None and replaced and not _is_shielded(service, unit, record, successor)
        if record is None or grant is None or record.client_id != client.client_id or record.revoked:
            raise _build_refusal()
        if stolen:
            end_reused(service, self.request.pyramid, record)
            raise _build_refusal()
        if (not replaced and time.time() >= record.expires_at) or time.time() >= find_end(service, client, grant):
            raise _build_refusal()
        if not service.is_active_user(grant.subject):
            raise _build_refusal()
        check_method(grant, self.request)
        renew_client(service.store, service.documents, self.request.client.record, user=grant.subject)
        return _Presented(record, grant, successor)

    def _replace(self, unit: Unit, presented: _Presented, claims: Mapping[str, Any]) -> TokenAnswer | None:
        """The answer; None if the token was used before and its grace period is over."""
        service, request, successor = self.server.service, self.request, presented.successor
        won = unit.use_refresh_token(presented.record.hash, successor.token_id, time.time())
        if not won:
            record = unit.find_refresh_token(presented.record.hash)  # as it is now
            raced = presented.is_fresh
            if record is None or not _is_shielded(service, unit, record, successor, raced=raced):
                return None
        how = {**request.granted, "claims": claims, "grant_type": self.GRANT_TYPE}
        answer = issue_access_token(service, unit, request.client.record, presented.grant, **how)
        if won:
            add_refresh_token(service, unit, answer, request.client.record, presented.grant, made=successor)
        else:
            answer["refresh_token"] = successor.text
        return answer


def _is_shielded(
    service: Service, unit: Unit, record: RefreshTokenRecord, successor: OpaqueValue, *, raced: bool = False
) -> bool:
    """Whether a used token may be sent again: while its replacement is unused, and during the grace period.

    The grace period begins when the replacement is committed. If that time is not known, no client has got an answer
    yet, or the process ended in between: then the period begins with the first request that finds the token used.

    :param raced: this request had begun before the replacement could be seen. It may have waited a long time for the
        transaction that replaced the token, but counts as sent at the same time.
    """
    now, grace = time.time(), service.settings.refresh_reuse_grace
    # In both directions: a clock that was set back must not make the period longer.
    is_over = record.used_at is not None and abs(now - record.used_at) >= grace
    if grace <= 0 or (not raced and is_over):
        return False
    following = unit.find_refresh_token(service.pepper.hash_token(successor.text))
    return following is not None and following.successor_id is None and now < following.expires_at


def _build_refusal() -> InvalidGrantError:
    return InvalidGrantError("The refresh token is invalid, expired, used, revoked, or another client's.")
