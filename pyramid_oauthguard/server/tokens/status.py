"""Whether a token is active, and the answer about it (RFC 7662): for the endpoint, and for a guard in the same
process."""

from __future__ import annotations

import logging
import time
from typing import Any, Final

from ..access_tokens import describe
from ..hashing import Pepper
from ..service import Service
from ..store.contract import Unit
from ..store.records import AccessTokenRecord, RefreshTokenRecord
from .lookup import find_access_token, find_refresh_token

__all__ = ["INACTIVE", "TokenRecord", "describe_token", "find_token", "is_active"]

TokenRecord = AccessTokenRecord | RefreshTokenRecord
INACTIVE: Final = {"active": False}
CLOCK_SKEW_SECONDS: Final = 60.0  # between the hosts of one issuer


def find_token(unit: Unit, pepper: Pepper, text: str, hint: str | None) -> TokenRecord | None:
    """The token with these characters. The hint only tells where to look first (RFC 7662 section 2.1)."""
    if hint == "refresh_token":
        return find_refresh_token(unit, pepper, text) or find_access_token(unit, pepper, text)
    return find_access_token(unit, pepper, text) or find_refresh_token(unit, pepper, text)


def is_active(token: AccessTokenRecord, service: Service) -> bool:
    """Whether a token is active: not revoked, not expired, not from the future, its user is active, and its client has not
    ended."""
    now = time.time()
    if token.client_expires_at is not None and now >= token.client_expires_at:
        return False
    if not service.settings.self_registration.lets_in(token.client_id):
        return False
    if token.revoked:
        _report_revoked_key(token, service)
        return False
    if not token.issued_at - CLOCK_SKEW_SECONDS <= now < token.expires_at:
        return False
    return token.grant_id is None or service.is_active_user(token.subject)


def _report_revoked_key(token: AccessTokenRecord, service: Service) -> None:
    """A token of a revoked key was sent: it may be forged, or its holder has missed the revocation."""
    if token.key_id is not None and service.keys.is_revoked(token.key_id):
        text = f"a token that the revoked key {token.key_id} signed is in use: client {token.client_id}, token {token.token_id}"
        service.mistakes.report(f"the revoked key {token.key_id}", text, level=logging.WARNING)


def describe_token(token: AccessTokenRecord, issuer: str) -> dict[str, Any]:
    """The answer for an active token (RFC 7662 section 2.2)."""
    return {"active": True, "token_type": "Bearer", **describe(token, issuer)}
