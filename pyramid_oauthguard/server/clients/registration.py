"""The checks of a client's registration. Each error names the argument that is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ...urls import check_url
from ..grant_types import GrantDeclaration, RegistrationError, as_grant, check_scope
from ..store.records import CLIENT, RESOURCE_SERVER, Client

__all__ = [
    "build_client",
    "check_redirect_uri",
    "check_secret",
]

_VSCHAR = re.compile(r"[\x20-\x7e]+")  # RFC 6749 appendix A.1, A.2
_URI = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")  # RFC 3986 section 2
_PRIVATE_SCHEME = re.compile(r"[a-z][a-z0-9+\-]*(\.[a-z0-9+\-]+)+")  # RFC 8252 section 7.1: reverse domain name
_MAX_CHARACTERS = 255


def build_client(
    name: str,
    *,
    client_id: str,
    public: bool,
    redirect_uris: Iterable[str],
    grants: Iterable[str],
    scopes: Iterable[str],
    audiences: Iterable[str],
    role: str,
    created_at: float,
    known_grants: Mapping[str, GrantDeclaration],
    jwks: str | None = None,
) -> Client:
    """A checked :class:`Client` without secrets. The keys (``jwks``) are checked already.

    :raises RegistrationError: naming the argument that is wrong.
    """
    client = Client(
        client_id=client_id,
        name=name.strip(),
        role=role,
        public=public,
        redirect_uris=_as_words("redirect_uris", redirect_uris),
        grants=tuple(dict.fromkeys(as_grant(grant, known_grants) for grant in _as_words("grants", grants))),
        scopes=_as_words("scopes", scopes),
        audiences=_as_words("audiences", audiences),
        created_at=created_at,
        jwks=jwks,
    )
    _check_names(client)
    for uri in client.redirect_uris:
        check_redirect_uri(uri)
    for scope in client.scopes:
        check_scope(scope)
    for audience in client.audiences:
        if not _URI.fullmatch(audience):
            raise RegistrationError("audiences", f"{audience!r} is not a URI or a plain name")
    _check_grants(client, known_grants)
    return client


def check_redirect_uri(uri: str) -> None:
    """RegistrationError unless ``uri`` may be registered (RFC 9700 section 2.1, RFC 8252 sections 7 and 8.4)."""
    if not _URI.fullmatch(uri) or "#" in uri or "*" in uri:
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
    if not _VSCHAR.fullmatch(secret) or len(secret) > _MAX_CHARACTERS:
        raise RegistrationError("secret", f"must be 1 to {_MAX_CHARACTERS} printable ASCII characters")


def _check_names(client: Client) -> None:
    if not client.name or len(client.name) > _MAX_CHARACTERS or not client.name.isprintable():
        raise RegistrationError("name", f"must be 1 to {_MAX_CHARACTERS} printable characters")
    # Neither a quote nor a colon nor a space: ids go into logs, principals and HTTP Basic.
    if not re.fullmatch(r"[A-Za-z0-9._~@+/-]+", client.client_id) or len(client.client_id) > _MAX_CHARACTERS:
        raise RegistrationError("client_id", f"must be 1 to {_MAX_CHARACTERS} of letters, digits and . _ ~ @ + / -")
    if client.role not in {CLIENT, RESOURCE_SERVER}:
        raise RegistrationError("role", f"must be {CLIENT} or {RESOURCE_SERVER}, not {client.role!r}")


def _check_grants(client: Client, known: Mapping[str, GrantDeclaration]) -> None:
    for grant in client.grants:
        if grant not in known:
            raise RegistrationError("grants", f"{grant!r} is none of {', '.join(sorted(known))}")
    if client.role == RESOURCE_SERVER and (client.grants or client.public):
        raise RegistrationError("role", "a resource server is confidential and obtains no tokens")
    if client.public and client.jwks is not None:
        raise RegistrationError("jwks", "a public client has no keys: it does not prove who it is")
    if client.public and "client_credentials" in client.grants:
        raise RegistrationError("grants", "client_credentials is for confidential clients (RFC 6749 section 4.4)")
    if "authorization_code" in client.grants and not client.redirect_uris:
        raise RegistrationError("redirect_uris", "authorization_code needs at least one")
    if "refresh_token" in client.grants and not any(known[grant].may_refresh for grant in client.grants):
        names = " or ".join(sorted(each.name for each in known.values() if each.may_refresh))
        raise RegistrationError("grants", f"refresh_token comes with {names}")


def _as_words(argument: str, values: Iterable[str]) -> tuple[str, ...]:
    if isinstance(values, str):
        raise RegistrationError(argument, "must be a list of strings, not one string")
    words = tuple(dict.fromkeys(values))
    if not all(word and not re.search(r"\s", word) for word in words):
        raise RegistrationError(argument, "must be non-empty strings without white space")
    return words
