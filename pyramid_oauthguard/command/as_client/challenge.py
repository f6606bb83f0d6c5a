"""The first steps: the answer to a request without a token, and the document that it points to."""

from __future__ import annotations

from collections.abc import Iterator

from ...client.web.resources import (
    Refusal,
    choose_scopes,
    fetch_refusal,
    find_servers,
    is_resource_of,
    list_document_urls,
)
from ...errors import UnavailableError
from ...interfaces import Finding
from .visit import Visit, describe_outage, quote, send

__all__ = ["check_challenge", "check_document"]

_SUBJECT = "challenge"
_DOCUMENT = "resource metadata"


def check_challenge(visit: Visit) -> Iterator[Finding]:
    """Ask without a token."""
    try:
        visit.refusal = refusal = fetch_refusal(visit.web, visit.url)
    except UnavailableError as error:
        yield describe_outage(_SUBJECT, error)
        return
    status, found = refusal.reply.status, refusal.challenge
    if not refusal.is_refused:
        text = f"{refusal.method} without a token is answered with {status}, not with 401"
        hint = "no client begins to sign in: give the view token_check or token_require"
        yield Finding("error", _SUBJECT, text, hint)
    elif status != 401:
        hint = "MCP clients begin to sign in after 401 only: give the view token_check"
        yield Finding(
            "error", _SUBJECT, f"{refusal.method} without a token is answered with {status}, not with 401", hint
        )
    elif found is None:
        hint = (
            "MCP clients and oauthguard login look for WWW-Authenticate: Bearer: is this API guarded by OAuth tokens?"
        )
        yield Finding("error", _SUBJECT, "the answer 401 has no Bearer challenge", hint)
    else:
        yield Finding("ok", _SUBJECT, f"{refusal.method} without a token is answered with 401 and a Bearer challenge")
        yield from _judge(refusal)


def _judge(refusal: Refusal) -> Iterator[Finding]:
    found = refusal.challenge or {}
    if "resource_metadata" not in found:
        hint = "clients must guess the address, and VS Code before 1.102 does not: oauthguard.resource_metadata = on"
        yield Finding("warning", _SUBJECT, "it has no resource_metadata", hint)
    scopes = found.get("scope", "").split()
    if not scopes:
        hint = (
            "the official SDKs ask for every scope in scopes_supported: name what the view requires with token_require"
        )
        yield Finding("warning", _SUBJECT, "it names no scope", hint)
    elif "offline_access" in scopes:
        hint = "the specification says that APIs do not require it: remove it from token_require"
        yield Finding("warning", _SUBJECT, "it names offline_access", hint)
    else:
        yield Finding("ok", _SUBJECT, f"it names the scopes {quote(' '.join(scopes))}")
    if "error" in found:
        hint = "RFC 6750 section 3.1 has no error where there was no token; the Python SDK then looks for another cause"
        yield Finding("warning", _SUBJECT, f"it has the error {quote(found['error'])}", hint)


def check_document(visit: Visit) -> Iterator[Finding]:
    """Fetch the resource metadata (RFC 9728)."""
    challenge = visit.refusal.challenge if visit.refusal else None
    for url in list_document_urls(visit.url, challenge):
        reply = send(visit, "GET", url)
        if isinstance(reply, Finding):
            yield reply
            return
        document = reply.find_object() if reply.status == 200 else None
        if document is not None:
            visit.document, visit.document_url = document, url
            break
        yield Finding("ok", _DOCUMENT, f"{url} answered {reply.status}, and no JSON object")
    if not visit.document:
        hint = (
            "MCP clients and oauthguard login do not find the authorization server: oauthguard.resource_metadata = on"
        )
        yield Finding("error", _DOCUMENT, "there is no document", hint)
        return
    yield from _judge_document(visit)
    visit.issuer = next(iter(find_servers(visit.document)), "")
    visit.scope = visit.scope or choose_scopes(challenge, visit.document)


def _judge_document(visit: Visit) -> Iterator[Finding]:
    identifier, servers = visit.document.get("resource"), find_servers(visit.document)
    if not is_resource_of(identifier, visit.url):
        text = f"{visit.document_url} describes {quote(identifier)}, not {visit.url}"
        hint = "all official MCP SDKs refuse it: set oauthguard.resource, or the resource of add_protected_resource"
        yield Finding("error", _DOCUMENT, text, hint)
    else:
        yield Finding("ok", _DOCUMENT, f"{visit.document_url} describes {quote(identifier)}")
    if not servers:
        yield Finding("error", _DOCUMENT, "it names no authorization_servers", "no client can sign in")
    elif len(servers) > 1:
        text = f"it names {len(servers)} authorization servers; most clients take the first, {quote(servers[0])}"
        yield Finding("ok", _DOCUMENT, text)
    if not isinstance(visit.document.get("scopes_supported"), list):
        hint = "clients that get no scope in the challenge ask for none: name them with token_require or scopes="
        yield Finding("warning", _DOCUMENT, "it has no scopes_supported", hint)
