"""Live tokens of another server: opaque access and refresh tokens of which the SHA-256 is known.

They are used, introspected, refreshed and revoked as those of this server. A refresh replaces an imported refresh token by one
of this server.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ...errors import OAuthGuardError
from ...jwt.claims import MAX_TIME_SECONDS
from ..clients.entitlement import find_audiences
from ..events import TokensImported
from ..opaque import make_id
from ..service import Service
from ..settings import SelfRegistration
from ..store.contract import Unit
from ..store.records import AccessTokenRecord, Client, Grant, RefreshTokenRecord

__all__ = ["ForeignTokens", "ImportRefusedError", "as_foreign_tokens", "import_tokens"]

_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")
_MAX_LIFE_SECONDS: Final = 3650 * 86400.0
_MAX_SUBJECT_CHARACTERS: Final = 255


class ImportRefusedError(OAuthGuardError):
    """Tokens that can't be imported; the text names the member that is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignTokens:
    """The live tokens of one approval, or the access token of a client for itself.

    :ivar subject: the user; None if the client acts for itself: then there is no refresh token.
    :ivar audiences: empty: those of the client.
    :ivar access_token: SHA-256 as 64 hexadecimal digits; so is ``refresh_token``. At least one of the two.
    :ivar access_token_expires_at: seconds since the epoch; required with ``access_token``, and so on.
    :ivar approved_at: when the user allowed it; from then on ``refresh_token_max_age`` counts.
    """

    client_id: str
    subject: str | None = None
    scopes: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    access_token: str | None = field(default=None, repr=False)
    access_token_expires_at: float | None = None
    refresh_token: str | None = field(default=None, repr=False)
    refresh_token_expires_at: float | None = None
    approved_at: float | None = None


def as_foreign_tokens(document: Mapping[str, Any]) -> ForeignTokens:
    """The tokens that a JSON object describes; its members are named as the fields.

    :raises ImportRefusedError: a member is unknown or of another type.
    """
    unknown = sorted(document.keys() - ForeignTokens.__dataclass_fields__.keys())
    if unknown:
        raise ImportRefusedError(
            f"{unknown[0]}: is not a member; they are {', '.join(ForeignTokens.__dataclass_fields__)}"
        )
    values = {name: value for name, value in document.items() if value is not None}
    for name, value in values.items():
        if not _has_type(name, value):
            raise ImportRefusedError(f"{name}: is not of the right type")
    for name in ("scopes", "audiences"):
        values[name] = tuple(values.get(name, ()))
    if "client_id" not in values:
        raise ImportRefusedError("client_id: is missing")
    return ForeignTokens(**values)


def import_tokens(service: Service, tokens: ForeignTokens) -> bool:
    """Store these tokens; False if all of them have expired. Each call is a transaction of its own.

    :raises ImportRefusedError: naming the member that is wrong, also when a token is there already.
    :raises UnavailableError: the storage can't be reached.
    """
    now = time.time()
    access = _as_hash(service, "access_token", tokens.access_token, tokens.access_token_expires_at, now)
    refresh = _as_hash(service, "refresh_token", tokens.refresh_token, tokens.refresh_token_expires_at, now)
    if tokens.access_token is None and tokens.refresh_token is None:
        raise ImportRefusedError("access_token: is missing, and so is refresh_token")
    if tokens.refresh_token is not None and tokens.subject is None:
        raise ImportRefusedError("subject: is required with refresh_token")
    with service.store.writing() as unit:
        client = _require_client(unit, tokens)
        _check_subject(unit, tokens.subject, service.settings.self_registration)
        audiences = _choose_audiences(service, client, tokens)
        if access is None and refresh is None:
            return False
        _check_new(unit, access, refresh)
        _store(service, unit, tokens, audiences=audiences, access=access, refresh=refresh, now=now)
    return True


def _store(
    service: Service,
    unit: Unit,
    tokens: ForeignTokens,
    *,
    audiences: tuple[str, ...],
    access: bytes | None,
    refresh: bytes | None,
    now: float,
) -> None:
    subject = tokens.client_id if tokens.subject is None else tokens.subject
    common: dict[str, Any] = {"client_id": tokens.client_id, "subject": subject, "scopes": tokens.scopes}
    common |= {"audiences": audiences}
    grant_id, token_id = None if tokens.subject is None else make_id(), make_id()
    if grant_id is not None:
        approved_at = now if tokens.approved_at is None else min(max(tokens.approved_at, 0.0), now)
        unit.add_grant(Grant(grant_id=grant_id, created_at=approved_at, **common))
        common |= {"grant_id": grant_id}
    if access is not None:
        ends: dict[str, Any] = {"issued_at": now, "expires_at": tokens.access_token_expires_at}
        unit.add_access_token(AccessTokenRecord(token_id=token_id, hash=access, **common, **ends))
    if refresh is not None:
        ends = {"issued_at": now, "expires_at": tokens.refresh_token_expires_at}
        unit.add_refresh_token(RefreshTokenRecord(token_id=make_id(), hash=refresh, **common, **ends))
    token_ids = () if access is None else (token_id,)
    service.tell(unit, TokensImported(tokens.client_id, subject, token_ids, grant_id))


def _as_hash(service: Service, name: str, text: str | None, expires_at: float | None, now: float) -> bytes | None:
    """The keyed hash of a live token; None if there is none, or it has expired."""
    if text is None:
        return None
    if not _SHA256.fullmatch(text):
        raise ImportRefusedError(f"{name}: must be the SHA-256 of the token, 64 hexadecimal digits")
    if expires_at is None or not 0 < expires_at <= now + _MAX_LIFE_SECONDS:
        raise ImportRefusedError(f"{name}_expires_at: must be seconds since the epoch, at most ten years from now")
    return service.pepper.hash_imported(bytes.fromhex(text)) if now < expires_at else None


def _require_client(unit: Unit, tokens: ForeignTokens) -> Client:
    client = unit.find_client(tokens.client_id)
    if client is None or not client.is_live(time.time()):
        raise ImportRefusedError("client_id: is not a live client")
    if client.is_self_registered:  # it would keep no method of authentication, and may be pruned
        raise ImportRefusedError("client_id: is a client that registered itself here")
    if not set(tokens.scopes) <= set(client.scopes):
        raise ImportRefusedError("scopes: names a scope that the client is not registered for")
    return client


def _check_subject(unit: Unit, subject: str | None, allowed: SelfRegistration) -> None:
    if subject is None:
        return
    if not 0 < len(subject) <= _MAX_SUBJECT_CHARACTERS or not subject.isprintable():
        raise ImportRefusedError(f"subject: must be 1 to {_MAX_SUBJECT_CHARACTERS} printable characters")
    if unit.find_client(subject) is not None or allowed.is_document_id(subject):
        raise ImportRefusedError("subject: is the id of a client")


def _choose_audiences(service: Service, client: Client, tokens: ForeignTokens) -> tuple[str, ...]:
    allowed = find_audiences(client, service.settings)
    if not set(tokens.audiences) <= set(allowed):
        raise ImportRefusedError("audiences: names an API that the client may not have tokens for")
    return tokens.audiences or allowed


def _check_new(unit: Unit, access: bytes | None, refresh: bytes | None) -> None:
    if access is not None and unit.find_access_token(access) is not None:
        raise ImportRefusedError("access_token: is there already")
    if refresh is not None and unit.find_refresh_token(refresh) is not None:
        raise ImportRefusedError("refresh_token: is there already")


def _has_type(name: str, value: object) -> bool:
    if name in ("scopes", "audiences"):
        return isinstance(value, (list, tuple)) and all(
            isinstance(each, str) and each and not re.search(r"\s", each) for each in value
        )
    if name.endswith("_at"):
        return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < MAX_TIME_SECONDS
    return isinstance(value, str)
