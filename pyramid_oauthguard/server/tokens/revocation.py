"""Ending tokens, in a transaction of its own; the event, and the guard in the same process, hear of it after the commit."""

from __future__ import annotations

import logging
import time
from typing import Final

from pyramid.request import Request

from ..events import TokenRevoked
from ..request_ids import find_request_id
from ..service import Service
from ..store.contract import Unit
from ..store.records import AccessTokenRecord, CodeRecord, DeviceRecord, RefreshTokenRecord
from .status import TokenRecord

__all__ = ["end_reused", "revoke_grant", "revoke_token"]

log = logging.getLogger("pyramid_oauthguard.server")
_NAMES: Final = {CodeRecord: "code", DeviceRecord: "device_code", RefreshTokenRecord: "refresh_token"}


def revoke_token(service: Service, token: TokenRecord) -> None:
    """End a token. With a refresh token ends all that its grant gave (RFC 7009 section 2.1 MUST), and with an access token
    too unless the settings say otherwise (MAY). Ending it twice changes nothing.

    :raises UnavailableError: it may not have ended.
    """
    with service.store.writing() as unit:
        alone = isinstance(token, AccessTokenRecord) and not service.settings.revocation_cascade
        if token.grant_id is not None and not alone:
            revoke_grant(service, unit, token.grant_id, client_id=token.client_id)
        elif unit.revoke_access_token(token.token_id, time.time()):
            service.tell(unit, TokenRevoked((token.token_id,), token.client_id, token.grant_id))


def revoke_grant(
    service: Service, unit: Unit, grant_id: str, *, client_id: str, reason: str = "revocation_request"
) -> None:
    """End a grant with every token of it, in the caller's unit."""
    now = time.time()
    token_ids = unit.list_live_token_ids(grant_id=grant_id, now=now)
    if unit.revoke_grant(grant_id, now):
        service.tell(unit, TokenRevoked(token_ids, client_id, grant_id, reason))


def end_reused(service: Service, request: Request, used: CodeRecord | DeviceRecord | RefreshTokenRecord) -> None:
    """End a grant whose code or token came again although it was used, so that it has been in two hands; the log says so.

    In a transaction of its own, for the caller then raises a refusal, at which the application's is rolled back.

    :param used: what came again.
    :raises UnavailableError: the grant may not have ended.
    """
    if used.grant_id is None:
        return
    what = _NAMES[type(used)]
    log.warning(
        "request %s: a %s of client %s was used again: grant %s ends with all its tokens",
        *(find_request_id(request), what.replace("_", " "), used.client_id, used.grant_id),
    )
    with service.store.writing() as unit:
        revoke_grant(service, unit, used.grant_id, client_id=used.client_id, reason=f"{what}_reuse")
