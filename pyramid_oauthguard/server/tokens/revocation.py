"""Ending tokens, in a transaction of its own; the event is sent, and a guard in the same process is notified, after the
commit."""

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

__all__ = ["GRANTS_AT_ONCE", "end_reused", "revoke_grant", "revoke_token"]

#: How many grants end in one transaction: it takes about half a millisecond for each, and SQLite has one writer at a time.
GRANTS_AT_ONCE: Final = 200
log = logging.getLogger("pyramid_oauthguard.server")
_NAMES: Final = {CodeRecord: "code", DeviceRecord: "device_code", RefreshTokenRecord: "refresh_token"}


def revoke_token(service: Service, token: TokenRecord) -> None:
    """End a token. The end of a refresh token ends all tokens of its grant (RFC 7009 section 2.1 MUST), and so does
    that of an access token, unless the setting is off (MAY). Ending it twice changes nothing.

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
    """End a grant whose used code or token was sent again, because it may have been stolen. This is logged.

    This has its own transaction: the caller raises an error afterwards, which rolls back the application's.

    :param used: what was sent again.
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
