"""What a client says about itself (RFC 7591 section 2), cut down to what the settings allow it.

The same rules hold for a request to the registration endpoint and for a document. What the client says can only narrow its
rights. Errors contain no text of the client.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ...urls import as_origin
from ..grant_types import RegistrationError
from ..http.errors import InvalidClientMetadataError, InvalidRedirectURIError
from ..settings import ServerSettings
from ..store.records import CLIENT, Client
from .credentials import BASIC, NONE, POST, PRIVATE_KEY
from .entitlement import OFFLINE_ACCESS
from .keys import as_key_set
from .live import SELF_REGISTERED_GRANTS
from .names import clean_name
from .registration import check_redirect_uri

__all__ = ["ClientMetadata", "build_self_registered", "describe_client", "drop_nulls", "read_metadata"]

_MAX_URIS: Final = 20
_MAX_URI_CHARACTERS: Final = 1000
_NAMELESS: Final = "Unnamed client"
#: A private-use scheme that is not a reversed domain name, as in ``cursor://…``. It can't be registered (RFC 8252 section 8.4), and
#: must not cost a client its other redirect URIs: a server may replace what a client asks for (RFC 7591 section 3.2.1).
_PLAIN_SCHEME: Final = re.compile(r"(?!https?:)[a-z][a-z0-9+-]*://", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientMetadata:
    """What a client may be registered with.

    :ivar public: it does not prove who it is; otherwise it does with ``jwks`` (``private_key_jwt``).
    """

    name: str
    public: bool
    redirect_uris: tuple[str, ...]
    grants: tuple[str, ...]
    scopes: tuple[str, ...]
    jwks: str | None = None


def drop_nulls(document: Mapping[str, Any]) -> dict[str, Any]:
    """The members that say something: many serializers write null for what was not set, and RFC 7592 section 2.2 treats both alike."""
    return {name: value for name, value in document.items() if value is not None}


def read_metadata(
    document: Mapping[str, Any], settings: ServerSettings, *, keys_follow: bool = False
) -> ClientMetadata:
    """What a client says about itself, as far as the settings allow it.

    :param keys_follow: the keys of the client are elsewhere, and are read later.

    A client that asks for a secret becomes a public client: RFC 7591 section 3.2.1 lets the server replace values.

    :raises InvalidRedirectURIError: a redirect URI is missing or may not be registered.
    :raises InvalidClientMetadataError: another value is wrong, or nothing is left of what it asks for.
    """
    public = _read_method(document) == NONE
    redirect_uris = _read_redirect_uris(document)
    return ClientMetadata(
        name=_read_name(document, redirect_uris),
        public=public,
        redirect_uris=redirect_uris,
        grants=_read_grants(document),
        scopes=_read_scopes(document, settings),
        jwks=None if public or keys_follow else _read_keys(document),
    )


def build_self_registered(found: ClientMetadata, settings: ServerSettings, *, client_id: str, by: str) -> Client:
    """The client that registered itself with these values. It ends unless a user allows it something.

    :param by: see :class:`~pyramid_oauthguard.server.store.records.Client`.
    """
    now = time.time()
    return Client(
        client_id=client_id,
        name=found.name,
        role=CLIENT,
        public=found.public,
        redirect_uris=found.redirect_uris,
        grants=found.grants,
        scopes=found.scopes,
        audiences=settings.self_registration.audiences,
        created_at=now,
        jwks=found.jwks,
        registered_by=by,
        expires_at=now + settings.self_registration.registration_unused_ttl,
    )


def describe_client(client: Client) -> dict[str, Any]:
    """What is registered of a client, as RFC 7591 section 3.2.1 answers it."""
    keys = {} if client.jwks is None else {"jwks": json.loads(client.jwks)}
    return {
        "client_id": client.client_id,
        "client_id_issued_at": int(client.created_at),
        "client_name": client.name,
        "redirect_uris": list(client.redirect_uris),
        "grant_types": list(client.grants),
        "response_types": ["code"],
        "token_endpoint_auth_method": NONE if client.public else PRIVATE_KEY,
        "scope": " ".join(client.scopes),
        **keys,
    }


def _read_method(document: Mapping[str, Any]) -> str:
    method = document.get("token_endpoint_auth_method", BASIC)  # RFC 7591 section 2
    if method in (BASIC, POST, NONE):
        return NONE
    if method != PRIVATE_KEY:
        raise InvalidClientMetadataError("token_endpoint_auth_method must be none or private_key_jwt.")
    return PRIVATE_KEY


def _read_redirect_uris(document: Mapping[str, Any]) -> tuple[str, ...]:
    asked = _read_words(document, "redirect_uris", InvalidRedirectURIError)
    uris = tuple(uri for uri in asked if not _PLAIN_SCHEME.match(uri)) or asked
    if not uris or len(uris) > _MAX_URIS or any(len(uri) > _MAX_URI_CHARACTERS for uri in uris):
        raise InvalidRedirectURIError(
            f"redirect_uris must be 1 to {_MAX_URIS} URIs of at most {_MAX_URI_CHARACTERS} characters."
        )
    for uri in uris:
        _check_redirect_uri(uri)
    return tuple(dict.fromkeys(uris))


def _check_redirect_uri(uri: str) -> None:
    try:
        check_redirect_uri(uri)
    except RegistrationError:
        raise InvalidRedirectURIError(
            "A redirect URI must begin with https, with http on a loopback host, or with a private-use scheme that has a "
            "dot; without fragment, user and wildcard."
        ) from None


def _read_grants(document: Mapping[str, Any]) -> tuple[str, ...]:
    asked = _read_words(document, "grant_types") if "grant_types" in document else ("authorization_code",)
    responses = _read_words(document, "response_types") if "response_types" in document else ("code",)
    if "authorization_code" not in asked or "code" not in responses:
        raise InvalidClientMetadataError("grant_types must contain authorization_code, and response_types code.")
    return tuple(grant for grant in SELF_REGISTERED_GRANTS if grant in asked)


def _read_scopes(document: Mapping[str, Any], settings: ServerSettings) -> tuple[str, ...]:
    allowed = settings.self_registration.scopes
    asked = document.get("scope")
    if asked is None or asked == "":
        return allowed
    if not isinstance(asked, str):
        raise InvalidClientMetadataError("scope must be a text of scopes with spaces between them.")
    wanted = set(asked.split()) - {OFFLINE_ACCESS}
    left = tuple(scope for scope in allowed if scope in wanted)
    if not left and wanted:
        raise InvalidClientMetadataError("scope names nothing that a client may have that registers itself.")
    return left


def _read_keys(document: Mapping[str, Any]) -> str:
    if "jwks_uri" in document:
        raise InvalidClientMetadataError("jwks_uri is not supported here: send jwks.")
    try:
        return as_key_set(_require_object(document.get("jwks")))
    except RegistrationError:
        raise InvalidClientMetadataError(
            "jwks must be a key set of 1 to 10 public keys that can verify signatures."
        ) from None


def _require_object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidClientMetadataError("private_key_jwt needs jwks.")
    return value


def _read_name(document: Mapping[str, Any], redirect_uris: tuple[str, ...]) -> str:
    name = document.get("client_name", "")
    if not isinstance(name, str):
        raise InvalidClientMetadataError("client_name must be a text.")
    return clean_name(name) or _name_after(redirect_uris[0])


def _name_after(uri: str) -> str:
    try:
        return as_origin(uri).host
    except ValueError:  # of a private-use scheme
        return _NAMELESS


def _read_words(
    document: Mapping[str, Any],
    name: str,
    error: type[InvalidClientMetadataError] | type[InvalidRedirectURIError] = InvalidClientMetadataError,
) -> tuple[str, ...]:
    values = document.get(name)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise error(f"{name} must be a list of texts.")
    return tuple(values)
