"""The checks of a client's registration. Each error names the argument that is refused."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from ...urls import check_url
from ..grant_types import GrantDeclaration, RegistrationError, check_scope
from ..store.records import CLIENT, DOCUMENT, RESOURCE_SERVER, Client
from .fields import MAX_CHARACTERS, URI, convert_fields
from .redirect_uris import leaves_device

__all__ = [
    "change_client",
    "check_described_here",
    "check_has_keys",
    "check_has_room",
    "check_has_secret",
    "check_redirect_uri",
    "check_secret",
    "draft_client",
    "move_keys",
    "require_live",
]

#: Each secret of a client is one more to guess, and each is compared where the client authenticates.
_MAX_LIVE_SECRETS: Final = 20
_VSCHAR: Final = re.compile(r"[\x20-\x7e]+")  # RFC 6749 appendix A.1, A.2
_PRIVATE_SCHEME: Final = re.compile(r"[a-z][a-z0-9+\-]*(\.[a-z0-9+\-]+)+")  # RFC 8252 section 7.1: reverse domain name


def draft_client(client_id: str, *, public: bool, role: str, jwks: str | None) -> Client:
    """A client made now, without name and registration. NOT checked yet: :func:`change_client` does that."""
    return Client(
        client_id=client_id,
        name="",
        role=role,
        public=public,
        redirect_uris=(),
        grants=(),
        scopes=(),
        audiences=(),
        created_at=time.time(),
        jwks=jwks,
    )


def change_client(client: Client, fields: Mapping[str, Any], *, known_grants: Mapping[str, GrantDeclaration]) -> Client:
    """The client with these fields, checked as a whole; see :class:`~.fields.ClientChanges`.

    NOT checked: its keys.

    :raises RegistrationError: naming the argument that is wrong.
    """
    changed = replace(client, **convert_fields(fields, known_grants))
    _check_identity(changed)
    for uri in changed.redirect_uris:
        check_redirect_uri(uri)
    for scope in changed.scopes:
        check_scope(scope)
    for audience in changed.audiences:
        if not URI.fullmatch(audience):
            raise RegistrationError("audiences", f"{audience!r} is not a URI or a plain name")
    _check_grants(changed, known_grants)
    _check_keys_of(changed)
    _check_pkce(changed)
    if changed.first_party and changed.is_self_registered:
        raise RegistrationError("first_party", "users are always asked for a client that registered itself")
    return changed


def move_keys(client: Client, changes: Mapping[str, Any]) -> Client:
    """The client without its stored keys, if the changes name an address where they are from now on."""
    moves = changes.get("jwks_uri") is not None and not client.is_self_registered
    return replace(client, jwks=None) if moves else client


def require_live(client: Client | None) -> Client:
    """The client. :raises RegistrationError: there is none, or it was revoked."""
    if client is None or client.revoked_at is not None:
        raise RegistrationError("client_id", "is not a live client")
    return client


def check_described_here(client: Client) -> None:
    """RegistrationError if a document elsewhere describes the client: it replaces what is stored when it is read again."""
    if client.registered_by == DOCUMENT:
        hint = "change the document; or end the client: revoke it, or name its place in client_metadata_documents.deny"
        raise RegistrationError("client_id", f"is the address of a document that describes the client: {hint}")


def check_has_secret(client: Client) -> None:
    """RegistrationError if it is of a kind that never has a secret."""
    if client.public:
        raise RegistrationError("client_id", "is a public client: it has no secret")
    if client.is_self_registered:
        raise RegistrationError("client_id", "is a client that registered itself: it signs and has no secret")


def check_has_room(client: Client, now: float) -> None:
    """RegistrationError if it has as many secrets that can be used as a client may have."""
    if sum(secret.is_live(now) for secret in client.secrets) >= _MAX_LIVE_SECRETS:
        text = f"has {_MAX_LIVE_SECRETS} secrets that can be used: revoke one of them first, or give an overlap of 0"
        raise RegistrationError("client_id", text)


def check_has_keys(client: Client) -> None:
    """RegistrationError if its public keys can't be replaced here."""
    check_described_here(client)
    if client.public:
        raise RegistrationError("client_id", "is a public client: it has no keys")
    if client.jwks_uri is not None:
        raise RegistrationError("client_id", "has its keys at its jwks_uri: remove that first")


def check_redirect_uri(uri: str) -> None:
    """RegistrationError unless ``uri`` may be registered (RFC 9700 section 2.1, RFC 8252 sections 7 and 8.4)."""
    if not URI.fullmatch(uri) or "#" in uri or "*" in uri:
        raise RegistrationError("redirect_uris", f"{uri!r} must be a URI without fragment or wildcard")
    scheme, colon, _rest = uri.partition(":")
    if scheme.lower() in {"https", "http"}:
        try:
            check_url(uri)
        except ValueError as error:
            raise RegistrationError("redirect_uris", str(error)) from None
    elif not colon or not _PRIVATE_SCHEME.fullmatch(scheme.lower()):
        raise RegistrationError("redirect_uris", f"{uri!r}: a private-use scheme is a reversed domain name, with a dot")


def check_secret(secret: str) -> None:
    """RegistrationError unless ``secret`` can be sent (RFC 6749 appendix A.2); says nothing about its strength."""
    if not _VSCHAR.fullmatch(secret) or len(secret) > MAX_CHARACTERS:
        raise RegistrationError("secret", f"must be 1 to {MAX_CHARACTERS} printable ASCII characters")


def _check_identity(client: Client) -> None:
    # Neither a quote nor a colon nor a space: ids go into logs, principals and HTTP Basic.
    if not re.fullmatch(r"[A-Za-z0-9._~@+/-]+", client.client_id) or len(client.client_id) > MAX_CHARACTERS:
        raise RegistrationError("client_id", f"must be 1 to {MAX_CHARACTERS} of letters, digits and . _ ~ @ + / -")
    if client.role not in {CLIENT, RESOURCE_SERVER}:
        raise RegistrationError("role", f"must be {CLIENT} or {RESOURCE_SERVER}, not {client.role!r}")


def _check_grants(client: Client, known: Mapping[str, GrantDeclaration]) -> None:
    for grant in client.grants:
        if grant not in known:
            raise RegistrationError("grants", f"{grant!r} is not one of {', '.join(sorted(known))}")
    if client.role == RESOURCE_SERVER and (client.grants or client.public):
        raise RegistrationError("role", "a resource server is confidential and obtains no tokens")
    if client.public and "client_credentials" in client.grants:
        raise RegistrationError("grants", "client_credentials is for confidential clients (RFC 6749 section 4.4)")
    if "authorization_code" in client.grants and not client.redirect_uris:
        raise RegistrationError("redirect_uris", "authorization_code needs at least one")
    if "refresh_token" in client.grants and not any(known[grant].may_refresh for grant in client.grants):
        names = " or ".join(sorted(each.name for each in known.values() if each.may_refresh))
        raise RegistrationError("grants", f"refresh_token comes with {names}")


def _check_keys_of(client: Client) -> None:
    if client.public and client.jwks is not None:
        raise RegistrationError("jwks", "a public client has no keys: it does not prove who it is")
    if client.jwks_uri is not None and (client.public or client.jwks is not None):
        raise RegistrationError("jwks_uri", "is for a confidential client of the operator, without jwks")
    if client.public and client.assertion_subjects:
        raise RegistrationError("assertion_subjects", "a public client has no keys")
    if any(each.count("*") > 1 for each in client.assertion_subjects):
        raise RegistrationError("assertion_subjects", "must have at most one * each")


def _check_pkce(client: Client) -> None:
    """A program that others can start, or that another program on the device can imitate, needs PKCE (RFC 8252 section 8.1)."""
    if client.require_pkce is not False:
        return
    if client.public:
        raise RegistrationError("require_pkce", "a public client must use PKCE (RFC 9700 section 2.1.1)")
    near = next((uri for uri in client.redirect_uris if not leaves_device(uri)), None)
    if near is not None:
        raise RegistrationError("require_pkce", f"a client with the redirect URI {near!r} must use PKCE")
