"""The authorization server: what it says about itself, and how a client can be registered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from ...client.errors import CommandError
from ...client.web.registration import Registration, build_metadata, register, remove
from ...errors import UnavailableError
from ...interfaces import Finding
from .visit import REDIRECT_URI, Visit, describe_outage, quote, send

__all__ = ["check_metadata", "check_registration", "describe_leftover", "remove_client"]

_METADATA: Final = "server metadata"
_REGISTRATION: Final = "registration"


def check_metadata(visit: Visit) -> Iterator[Finding]:
    """Fetch the metadata in the order in which MCP clients look (RFC 8414, OpenID Connect Discovery)."""
    if not visit.issuer:
        return
    for number, url in enumerate(_list_urls(visit.issuer)):
        reply = send(visit, "GET", url)
        if isinstance(reply, Finding):
            yield reply
            return
        document = reply.find_object() if reply.status == 200 else None
        if document is None:
            continue
        if document.get("issuer") != visit.issuer:
            text = f"{url} is of {quote(document.get('issuer'))}, not of {quote(visit.issuer)}"
            hint = "every client must refuse it (RFC 8414 section 3.3): make both equal, byte for byte"
            yield Finding("error", _METADATA, text, hint)
            return
        visit.metadata, visit.metadata_url = document, url
        hint = "clients that know RFC 8414 alone do not find it" if number else ""
        yield Finding("warning" if number else "ok", _METADATA, f"{url} describes {quote(visit.issuer)}", hint)
        yield from _judge(visit)
        return
    yield Finding("error", _METADATA, f"{quote(visit.issuer)} has no metadata", "no client finds its endpoints")


def _list_urls(issuer: str) -> tuple[str, ...]:
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    oauth, openid = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"
    places = dict.fromkeys((oauth + path, openid + path, path + openid))
    return tuple(urlunsplit((parts.scheme, parts.netloc, place, "", "")) for place in places)


def _judge(visit: Visit) -> Iterator[Finding]:
    for name in ("authorization_endpoint", "token_endpoint"):
        if visit.find_endpoint(name) is None:
            yield Finding("error", _METADATA, f"it has no {name}", "no client can sign in: turn on authorization_code")
    if "S256" not in _list_words(visit, "code_challenge_methods_supported"):
        hint = "all official MCP SDKs refuse a server that does not announce PKCE with S256"
        yield Finding("error", _METADATA, "code_challenge_methods_supported does not have S256", hint)
    else:
        yield Finding("ok", _METADATA, "PKCE with S256 is announced")
    if visit.metadata.get("authorization_response_iss_parameter_supported") is not True:
        hint = "clients of several servers can't tell their answers apart (RFC 9207)"
        yield Finding("warning", _METADATA, "iss in authorization responses is not announced", hint)
    methods = _list_words(visit, "token_endpoint_auth_methods_supported")
    if methods and "none" not in methods:
        hint = "desktop and browser clients are public: Claude, VS Code and the MCP Inspector send no secret"
        yield Finding("warning", _METADATA, "token_endpoint_auth_methods_supported does not have none", hint)
    grants = _list_words(visit, "grant_types_supported")
    if grants and "refresh_token" not in grants:
        hint = "users sign in again whenever a token expires: add refresh_token to oauthguard.server.grants"
        yield Finding("warning", _METADATA, "grant_types_supported does not have refresh_token", hint)
    missing = [each for each in (visit.scope or "").split() if each not in _list_words(visit, "scopes_supported")]
    if missing and "scopes_supported" in visit.metadata:
        text = f"scopes_supported does not have {quote(' '.join(missing))}, which the API requires"
        yield Finding(
            "warning", _METADATA, text, "add them to oauthguard.server.scopes, if the server does not know them"
        )


def _list_words(visit: Visit, name: str) -> list[str]:
    found = visit.metadata.get(name)
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


def check_registration(visit: Visit) -> Iterator[Finding]:
    """The ways in which a client gets an id: metadata document, dynamic registration, by hand."""
    if not visit.metadata:
        return
    documents = visit.metadata.get("client_id_metadata_document_supported") is True
    endpoint = visit.find_endpoint("registration_endpoint")
    if documents:
        yield Finding("ok", _REGISTRATION, "the id of a client may be the URL of its document")
    if endpoint is not None:
        yield Finding("ok", _REGISTRATION, f"clients register themselves at {endpoint}")
    if not documents:
        level = "ok" if endpoint else "warning"
        hint = "clients with a document (Claude, VS Code) need it: oauthguard.server.client_metadata_documents = on"
        yield Finding(level, _REGISTRATION, "no metadata documents of clients are accepted", hint)
    if endpoint is None:
        level = "ok" if documents else "warning"
        hint = (
            "older clients (the MCP Inspector, Cursor, the SDKs before 2025-11) need it: oauthguard.server.registration"
        )
        yield Finding(level, _REGISTRATION, "clients can't register themselves", hint)
    if endpoint is not None and visit.registers:
        yield _register(visit, endpoint)


def _register(visit: Visit, endpoint: str) -> Finding:
    try:
        visit.registration = register(visit.web, endpoint, build_metadata(REDIRECT_URI, visit.scope))
    except CommandError as error:
        hint = "the limits and oauthguard.server.self_registered.* say what a client may have"
        return Finding("error", _REGISTRATION, str(error), hint)
    visit.client_id = visit.client_id or visit.registration.client_id
    return Finding("ok", _REGISTRATION, f"registered as {quote(visit.registration.client_id)} for this check")


def remove_client(visit: Visit) -> Iterator[Finding]:
    """Remove what was registered for the check."""
    if visit.registration is None:
        return
    try:
        gone = remove(visit.web, visit.registration)
    except UnavailableError as error:
        yield describe_outage(_REGISTRATION, error)
        return
    if gone:
        visit.registration = None
        yield Finding("ok", _REGISTRATION, "the client of this check was removed")
    else:
        text = f"the client {quote(visit.registration.client_id)} of this check could not be removed"
        yield Finding("warning", _REGISTRATION, text, "the server offers no RFC 7592: remove it by hand")


def describe_leftover(registration: Registration) -> Finding:
    """The finding about a client that is still registered, because the check did not end in time."""
    text = f"the client {quote(registration.client_id)} of this check was not removed"
    return Finding("warning", _REGISTRATION, text, "remove it by hand")
