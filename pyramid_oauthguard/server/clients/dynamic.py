"""Dynamic registration (RFC 7591): who may register a client, how many there may be, and how one is stored. A client reads,
replaces and deletes what is registered of it (RFC 7592).
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from ..audit import Tell
from ..events import ClientCreated, ClientEdited, ClientKeysReplaced, ClientRevoked
from ..hashing import Pepper
from ..http.errors import InvalidClientMetadataError, InvalidRequestError, OAuth2Error
from ..http.limits import TooManyRequestsError
from ..opaque import REGISTRATION_PREFIX, derive_opaque, make_client_id
from ..settings import ServerSettings
from ..store.contract import Store, Unit
from ..store.records import REGISTRATION, Client
from .live import find_live
from .metadata import build_self_registered, drop_nulls, read_metadata
from .names import is_taken

__all__ = [
    "FullError",
    "InvalidTokenError",
    "check_initial_token",
    "delete",
    "make_registration_token",
    "register",
    "require_registered",
    "update",
]

_FULL_SECONDS: Final = 600
_PRUNED_AT_ONCE: Final = 100
#: What a client can't choose (RFC 7592 section 2.2).
_OF_SERVER: Final = (
    "client_secret", "client_secret_expires_at", "client_id_issued_at", "registration_client_uri",
    "registration_access_token",
)  # fmt: skip
#: What an update replaces. Scopes and audiences are what the server gives; a narrower choice of the operator stays.
_REPLACED: Final = ("name", "public", "redirect_uris", "grants")


class InvalidTokenError(OAuth2Error):
    """RFC 6750 section 3.1: the token of the registration endpoint is missing or wrong."""

    error = "invalid_token"
    status_code = 401
    challenge = 'Bearer realm="registration", error="invalid_token"'


class FullError(TooManyRequestsError):
    """There are too many clients that no user has allowed anything."""


def check_initial_token(authorization: str | None, settings: ServerSettings) -> None:
    """InvalidTokenError unless the caller sends one of the initial access tokens (RFC 7591 section 3), if they are required.

    All of them are compared, in constant time.
    """
    if settings.self_registration.registration == "open":
        return
    scheme, _space, sent = (authorization or "").partition(" ")
    given = sent.strip().encode("utf-8", "surrogateescape")
    matches = [hmac.compare_digest(given, each.encode()) for each in settings.self_registration.registration_tokens]
    if scheme.lower() != "bearer" or not any(matches):
        raise InvalidTokenError("An initial access token is required.")


def register(store: Store, settings: ServerSettings, tell: Tell, document: Mapping[str, Any]) -> Client:
    """Store a new client with what ``document`` says and the settings allow.

    Clients that ended before a user allowed them anything are deleted on the way, so that they cannot become many.

    :raises InvalidRedirectURIError: see :func:`~.metadata.read_metadata`.
    :raises InvalidClientMetadataError: the same, or the name is that of a client of the operator.
    :raises FullError: there are too many clients that no user has allowed anything.
    """
    # The scopes that it names are those of its first request. When an API requires more, it asks for more and does not register
    # again (the step-up of MCP clients).
    said, now = read_metadata(drop_nulls(document), settings), time.time()
    found = replace(said, scopes=settings.self_registration.scopes)
    client = build_self_registered(found, settings, client_id=make_client_id(), by=REGISTRATION)
    with store.writing() as unit:
        unit.prune_clients(now, _PRUNED_AT_ONCE)
        _check_room(unit, settings, now)
        _check_name(unit, client.name)
        unit.add_client(client)
        tell(unit, ClientCreated(client.client_id, by=REGISTRATION))
    return client


def make_registration_token(pepper: Pepper, client_id: str) -> str:
    """The registration access token of a client (RFC 7592): the same one each time, so nothing of it is stored. It ends with
    the client."""
    return derive_opaque(REGISTRATION_PREFIX, pepper.derive_key("registration access token"), client_id).text


def require_registered(
    store: Store, settings: ServerSettings, pepper: Pepper, authorization: str | None, *, client_id: str
) -> Client:
    """The client with this id, if the caller sends its registration access token.

    :raises InvalidTokenError: there is no such client, it did not register itself by a request, or the token is another one.
        All of these look the same.
    """
    scheme, _space, sent = (authorization or "").partition(" ")
    token = make_registration_token(pepper, client_id)
    is_right = hmac.compare_digest(sent.strip().encode("utf-8", "surrogateescape"), token.encode())
    with store.reading() as unit:
        client = find_live(unit, client_id, settings)
    if scheme.lower() != "bearer" or not is_right or client is None or client.registered_by != REGISTRATION:
        raise _build_token_refusal()
    return client


def update(
    store: Store, settings: ServerSettings, tell: Tell, document: Mapping[str, Any], *, client_id: str
) -> Client:
    """Replace what a client says about itself (RFC 7592 section 2.2): what ``document`` leaves out counts as not said. The client
    lives no longer, and gets no more scopes and audiences than it has.

    :raises InvalidRequestError: ``client_id`` is another one, or a member is the server's to choose.
    :raises OAuth2Error: as :func:`register`.
    :raises InvalidTokenError: the client ended a moment ago.
    """
    said = drop_nulls(document)
    _check_members(said, client_id)
    found = read_metadata(said, settings)
    with store.writing() as unit:
        client = unit.find_client(client_id)
        if client is None or find_live(unit, client_id, settings) is None:
            raise _build_token_refusal()
        _check_name(unit, found.name)
        values = {name: getattr(found, name) for name in (*_REPLACED, "jwks")}
        different = {name: value for name, value in values.items() if getattr(client, name) != value}
        if different:
            unit.update_client(replace(client, **different), tuple(different))
            _tell_changes(unit, tell, client, different)
        return find_live(unit, client_id, settings) or client


def delete(store: Store, tell: Tell, client_id: str) -> None:
    """End a client at its own request (RFC 7592 section 2.3), with all its tokens. Ending it twice changes nothing."""
    now = time.time()
    with store.writing() as unit:
        client = unit.find_client(client_id)
        if client is not None and client.revoked_at is None:
            token_ids = unit.list_live_token_ids(client_id=client_id, now=now)
            unit.revoke_client(client_id, now)
            tell(unit, ClientRevoked(client_id, tuple(token_ids)))


def _build_token_refusal() -> InvalidTokenError:
    return InvalidTokenError("The registration access token is missing or wrong.")


def _check_members(said: Mapping[str, Any], client_id: str) -> None:
    if said.get("client_id") != client_id:
        raise InvalidRequestError("client_id must be that of the client.")
    for name in _OF_SERVER:
        if name in said:
            raise InvalidRequestError(f"{name} can't be chosen by the client: leave it out.")


def _check_name(unit: Unit, name: str) -> None:
    if is_taken(name, unit.list_operator_names()):
        raise InvalidClientMetadataError("client_name is the name of another client.")


def _tell_changes(unit: Unit, tell: Tell, client: Client, different: Mapping[str, Any]) -> None:
    changes = {name: [getattr(client, name), different[name]] for name in _REPLACED if name in different}
    if changes:
        tell(unit, ClientEdited(client.client_id, changes, by=REGISTRATION))
    if "jwks" in different:
        tell(unit, ClientKeysReplaced(client.client_id))


def _check_room(unit: Unit, settings: ServerSettings, now: float) -> None:
    if unit.count_unused_clients(now) < settings.self_registration.registration_max_unused:
        return
    raise FullError(_FULL_SECONDS)
