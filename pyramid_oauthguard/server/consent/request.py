"""An authorization request of a client that has passed all checks."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from urllib.parse import urlencode

from pyramid.request import Request

from ...logs.marking import note_client
from ..clients.documents.source import build_refusal
from ..clients.live import find_live
from ..clients.redirect_uris import find_default, is_registered, leaves_device
from ..grants.authlib_bridge import OAuthServer
from ..grants.authlib_request import OAuthRequest
from ..grants.authorization_code import choose_mode
from ..http.errors import InvalidRequestError, OAuth2Error
from ..http.parameters import Parameters, find_sound
from ..service import Service
from ..store.records import Client

log = logging.getLogger("pyramid_oauthguard.server")
__all__ = ["AuthorizationRequest", "add_address", "build_query", "find_described", "is_described", "require_request"]

# No other parameter is read, so no other is kept in the ticket.
_KNOWN = (
    "response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method",
    "resource", "response_mode", "ui_locales",
)  # fmt: skip

#: What a ticket can carry in a form that is not too big for :func:`~pyramid_oauthguard.server.http.parameters.read_body`.
_MOST_CHARACTERS = 32 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """One valid request; it is passed to the hook ``approve`` of the resource owner.

    :ivar scopes: what is asked for; the user may allow less.
    :ivar audiences: the APIs that the tokens would be for.
    :ivar redirect_uri: where the answer goes; empty for a device (RFC 8628), which asks for it.
    :ivar named_redirect_uri: the same where the request named it, otherwise None (RFC 6749 section 4.1.3).
    :ivar response_mode: how the answer gets there, ``query`` or ``form_post``.
    :ivar query: the parameters, to be read again.
    """

    client: Client
    scopes: tuple[str, ...]
    audiences: tuple[str, ...]
    redirect_uri: str
    named_redirect_uri: str | None
    code_challenge: str | None
    response_mode: str = "query"
    state: str | None = field(repr=False)
    query: str = field(repr=False)


def require_request(
    service: Service, request: Request, parameters: Parameters, *, described: Client | None = None
) -> AuthorizationRequest:
    """The request in these parameters (RFC 6749 section 4.1.1).

    :param described: its client, if a document describes it: see :func:`find_described`.

    :raises OAuth2Error: with ``redirect_uri``, ``state``, ``response_mode`` and ``needs_user`` if the client may be told. Without
        them only the user is told, because the client or its URI is not known (RFC 6749 section 4.1.2.1).
    """
    if "client_id" not in parameters.values:
        raise InvalidRequestError("The parameter client_id is missing.")
    query = build_query(parameters)
    if len(query) > _MOST_CHARACTERS:
        raise InvalidRequestError(f"The parameters must have at most {_MOST_CHARACTERS} characters.")
    asked = OAuthRequest(request, parameters, service)
    values = parameters.values
    try:
        grant = OAuthServer(service, described=described).get_consent_grant(asked)
    except OAuth2Error as error:
        if error.redirect_uri:
            _address(error, asked.client.record, values.get("response_mode"))
        raise
    note_client(request, asked.client.record.client_id)
    return AuthorizationRequest(
        client=asked.client.record,
        scopes=tuple(asked.scope.split()),
        audiences=asked.audiences,
        redirect_uri=grant.redirect_uri,
        named_redirect_uri=values.get("redirect_uri"),
        code_challenge=values.get("code_challenge"),
        response_mode=choose_mode(values.get("response_mode"), grant.redirect_uri, asked.client.record),
        state=values.get("state"),
        query=query,
    )


def is_described(service: Service, parameters: Parameters) -> bool:
    """Whether the ``client_id`` is a URL, good or bad, and documents are on."""
    return service.settings.self_registration.documents and "://" in parameters.values.get("client_id", "")


def find_described(service: Service, parameters: Parameters, subject: str) -> Client | None:
    """The client as its document describes it now; None if its ``client_id`` is not a URL.

    :param subject: the user who is signed in; nothing is fetched for anybody else.
    :raises InvalidClientMetadataError: the document can't be used, or the client was revoked.
    """
    if not is_described(service, parameters):
        return None
    client_id = parameters.values["client_id"]
    with service.store.reading() as unit:
        stored = unit.find_client(client_id)
    if stored is not None and stored.revoked_at is not None:
        log.warning("the client %s was revoked: its document is not read", client_id)
        raise build_refusal()
    return service.documents.load(client_id, user=subject)


def build_query(parameters: Parameters) -> str:
    """The parameters that make the request, as a query string; never a secret that somebody put beside them."""
    return urlencode([(name, value) for name in _KNOWN for value in parameters.get_all(name)])


def add_address(error: OAuth2Error, service: Service, text: str) -> OAuth2Error:
    """Tell the client about parameters that can't be read, if its ``client_id`` and ``redirect_uri`` can be read.

    :param text: the parameters as they were sent.
    """
    found = find_sound(text, ("client_id", "redirect_uri", "state", "response_mode"))
    if not {"client_id", "redirect_uri"} <= found.keys():
        return error
    with service.store.reading() as unit:
        client = find_live(unit, found["client_id"] or "", service.settings)
    if client is None:
        return error
    named = found["redirect_uri"]
    if named is None or is_registered(named, client.redirect_uris, localhost=client.loopback_localhost):
        error.redirect_uri, error.state = named or find_default(client.redirect_uris), found.get("state")
        _address(error, client, found.get("response_mode"))
    return error


def _address(error: OAuth2Error, client: Client, mode: str | None) -> None:
    """Note how the client is told about an error, and whether only a user who has signed in may be sent there: the site of a client
    that registered itself may be one that imitates another (RFC 9700 section 4.11.2)."""
    uri = error.redirect_uri or ""
    error.response_mode = choose_mode(mode, uri, client)
    error.needs_user = client.is_self_registered and leaves_device(uri)
