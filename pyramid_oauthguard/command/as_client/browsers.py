"""CORS: what a page of another origin may ask and read (Fetch), as a browser decides it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ...client.web.requests import Reply
from ...interfaces import Finding
from .visit import Visit, quote, send

__all__ = ["check_cors"]

_API_HEADERS: Final = ("authorization", "content-type", "mcp-protocol-version")
_CLIENTS: Final = "the MCP Inspector and other clients in a browser fail there"


def check_cors(visit: Visit) -> Iterator[Finding]:
    """Ask as a browser would for a page of ``visit.origin``."""
    for name, url in (("resource metadata", visit.document_url), ("server metadata", visit.metadata_url)):
        if url:
            yield from _check_reading(visit, f"CORS of the {name}", url)
    hint = f"{_CLIENTS}: oauthguard.cors_origins = {visit.origin}"
    yield from _check_sending(visit, "CORS of the API", visit.url, headers=_API_HEADERS, hint=hint)
    yield from _check_challenge(visit)
    token_endpoint = visit.find_endpoint("token_endpoint")
    if token_endpoint:
        hint = (
            f"{_CLIENTS}: a server of pyramid_oauthguard allows the origins of the redirect URIs of its public clients"
        )
        yield from _check_sending(
            visit, "CORS of the token endpoint", token_endpoint, headers=("content-type",), hint=hint
        )
    registration = visit.find_endpoint("registration_endpoint")
    if registration:
        subject = "CORS of the registration endpoint"
        yield from _check_sending(visit, subject, registration, headers=("content-type",), hint=_CLIENTS)


def _check_reading(visit: Visit, subject: str, url: str) -> Iterator[Finding]:
    reply = send(visit, "GET", url, headers={"Origin": visit.origin})
    if isinstance(reply, Finding):
        yield reply
        return
    allowed = _is_allowed(visit, reply)
    hint = "" if allowed else f"{_CLIENTS}: the document is public, so allow every origin"
    yield Finding("ok" if allowed else "warning", subject, _describe(visit, allowed), hint)
    yield from _check_credentials(subject, reply)


def _check_sending(visit: Visit, subject: str, url: str, *, headers: tuple[str, ...], hint: str) -> Iterator[Finding]:
    asked = {
        "Origin": visit.origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": ",".join(headers),
    }
    reply = send(visit, "OPTIONS", url, headers=asked)
    if isinstance(reply, Finding):
        yield reply
        return
    allowed = _is_allowed(visit, reply) and 200 <= reply.status < 300
    named = {each.strip().lower() for each in (reply.find("access-control-allow-headers") or "").split(",")}
    # The wildcard does not stand for Authorization (Fetch section 3.2.2).
    missing = [each for each in headers if each not in named and ("*" not in named or each == "authorization")]
    if not allowed:
        yield Finding("warning", subject, f"{_describe(visit, allowed)} (preflight: {reply.status})", hint)
    elif missing:
        yield Finding("warning", subject, f"pages may not send {' '.join(missing)}", hint)
    else:
        yield Finding("ok", subject, _describe(visit, allowed))
    yield from _check_credentials(subject, reply)


def _check_challenge(visit: Visit) -> Iterator[Finding]:
    """Whether a page can read why it was refused."""
    if visit.refusal is None or not visit.refusal.is_refused:
        return
    method = visit.refusal.method
    reply = send(visit, method, visit.url, headers={"Origin": visit.origin}, body=None if method == "GET" else b"")
    if isinstance(reply, Finding) or not _is_allowed(visit, reply):
        return  # said before
    exposed = (reply.find("access-control-expose-headers") or "").lower()
    if "www-authenticate" not in exposed and exposed.strip() != "*":
        hint = f"{_CLIENTS}: they do not learn which scopes are required; expose WWW-Authenticate"
        yield Finding("warning", "CORS of the API", "pages can't read the challenge", hint)


def _is_allowed(visit: Visit, reply: Reply) -> bool:
    return reply.find("access-control-allow-origin") in ("*", visit.origin)


def _describe(visit: Visit, allowed: bool) -> str:
    return f"pages of {visit.origin} {'may' if allowed else 'may not'} use it"


def _check_credentials(subject: str, reply: Reply) -> Iterator[Finding]:
    if (reply.find("access-control-allow-credentials") or "").lower() == "true":
        origin = quote(reply.find("access-control-allow-origin"))
        hint = "pages of that origin act with the cookies of their visitors: tokens need no credentials"
        yield Finding("warning", subject, f"it allows credentials to {origin}", hint)
