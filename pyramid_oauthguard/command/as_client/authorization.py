"""Authorization requests up to the page that asks the user, and the token endpoint's answer to a wrong code."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

from ...client.web.requests import Reply
from ...interfaces import Finding
from .visit import REDIRECT_URI, Visit, quote, send

__all__ = ["check_authorization", "check_token_endpoint"]

_REQUEST: Final = "authorization request"
_TOKEN: Final = "token endpoint"  # noqa: S105  # the name of a step
_UNKNOWN: Final = "oauthguard-check-unknown-client"
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


def check_authorization(visit: Visit) -> Iterator[Finding]:
    """What the authorization endpoint answers: to an unknown client, and to a registered one where one is known."""
    endpoint = visit.find_endpoint("authorization_endpoint")
    if endpoint is None:
        return
    yield from _check_unknown(visit, endpoint)
    if visit.client_id is None:
        other = (
            "; this server did not register one"
            if visit.registers
            else ", or let the check register one with --register"
        )
        hint = f"name a registered client with --client-id{other}"
        yield Finding("ok", _REQUEST, "not tried up to the page, because no client is known", hint)
        return
    yield from _check_known(visit, endpoint)


def _check_unknown(visit: Visit, endpoint: str) -> Iterator[Finding]:
    reply = _ask(visit, endpoint, client_id=_UNKNOWN)
    if isinstance(reply, Finding):
        yield reply
    elif _find_answer(reply) is not None:
        hint = "everyone can make it send users to any address (RFC 9700 section 4.11)"
        yield Finding("error", _REQUEST, "an unknown client gets a redirect to the address that it names", hint)
    else:
        yield Finding("ok", _REQUEST, f"an unknown client is refused with {reply.status}, and not redirected")


def _check_known(visit: Visit, endpoint: str) -> Iterator[Finding]:
    reply = _ask(visit, endpoint)
    if isinstance(reply, Finding):
        yield reply
        return
    answer = _find_answer(reply)
    if answer is None and reply.status < 400:
        where = f" ({quote(reply.find('location'))})" if reply.status >= 300 else ""
        yield Finding("ok", _REQUEST, f"leads to a page for the user: {reply.status}{where}")
    else:
        yield _explain(reply, answer)
        return
    yield from _check_pkce(visit, endpoint)
    yield from _check_resource(visit, endpoint)


def _explain(reply: Reply, answer: Mapping[str, str] | None) -> Finding:
    hint = "the server's log says why; the scopes and audiences of the client decide"
    if answer is None:
        return Finding(
            "error", _REQUEST, f"is refused with {reply.status}: client or redirect URI are not accepted", hint
        )
    words = f"{quote(answer.get('error', 'no error'))} {quote(answer.get('error_description', ''))}"
    return Finding("error", _REQUEST, f"is refused: {words}", _HINTS.get(answer.get("error", ""), hint))


_HINTS: Final = {
    "invalid_scope": "clients ask for what the challenge names: give the client these scopes, or set oauthguard.server.narrow_scopes = on",
    "invalid_target": "clients send the resource of the metadata: add it to the audiences of the client, or to oauthguard.server.self_registered.audiences",
    "unauthorized_client": "the client may not use authorization_code",
}


def _check_pkce(visit: Visit, endpoint: str) -> Iterator[Finding]:
    reply = _ask(visit, endpoint, code_challenge=None, code_challenge_method=None)
    answer = None if isinstance(reply, Finding) else _find_answer(reply)
    if answer is None or "error" not in answer:
        hint = "anyone who steals a code of such a client can use it: oauthguard.server.require_pkce = true"
        yield Finding("warning", "PKCE", "a request without code_challenge is not refused", hint)
        return
    yield Finding("ok", "PKCE", f"a request without code_challenge is refused: {quote(answer['error'])}")
    if answer.get("iss") != visit.issuer:
        hint = "clients of several servers can't tell their answers apart (RFC 9207)"
        yield Finding("warning", _REQUEST, f"the error has the iss {quote(answer.get('iss'))}", hint)


def _check_resource(visit: Visit, endpoint: str) -> Iterator[Finding]:
    reply = _ask(visit, endpoint, resource="https://oauthguard-check.invalid/")
    answer = None if isinstance(reply, Finding) else _find_answer(reply)
    if answer is not None and "error" in answer:
        yield Finding("ok", "resource", f"an unknown resource is refused: {quote(answer['error'])}")
    else:
        hint = (
            "its tokens may not be bound to one API (RFC 8707): MCP servers then refuse them, or accept those of others"
        )
        yield Finding("warning", "resource", "an unknown resource is not refused", hint)


def _ask(visit: Visit, endpoint: str, **changes: str | None) -> Reply | Finding:
    digest = hashlib.sha256(secrets.token_urlsafe(32).encode()).digest()
    values = {
        "response_type": "code",
        "client_id": visit.client_id,
        "redirect_uri": REDIRECT_URI,
        "scope": visit.scope,
        "state": secrets.token_urlsafe(16),
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
        "resource": _find_resource(visit),
        **changes,
    }
    query = urlencode({name: value for name, value in values.items() if value is not None})
    mark = "&" if "?" in endpoint else "?"
    return send(visit, "GET", f"{endpoint}{mark}{query}", headers={"Accept": "text/html"})


def _find_resource(visit: Visit) -> str | None:
    found: Any = visit.document.get("resource")
    return found if isinstance(found, str) else None


def _find_answer(reply: Reply) -> Mapping[str, str] | None:
    """The parameters that the browser would bring to the client, or None if it is not sent there."""
    location = reply.find("location") or ""
    if not 300 <= reply.status < 400 or not location.startswith(REDIRECT_URI):
        return None
    try:
        found = parse_qs(urlsplit(location).query, max_num_fields=50)
    except ValueError:
        return {}
    return {name: values[0] for name, values in found.items()}


def check_token_endpoint(visit: Visit) -> Iterator[Finding]:
    """The answer to an invented code."""
    endpoint = visit.find_endpoint("token_endpoint")
    if endpoint is None:
        return
    form = {
        "grant_type": "authorization_code",
        "code": secrets.token_urlsafe(16),
        "redirect_uri": REDIRECT_URI,
        "client_id": visit.client_id or _UNKNOWN,
        "code_verifier": secrets.token_urlsafe(32),
        "resource": _find_resource(visit) or visit.url,
    }
    reply = send(visit, "POST", endpoint, headers=_FORM, body=urlencode(form).encode())
    if isinstance(reply, Finding):
        yield reply
        return
    document = reply.find_object() or {}
    error = document.get("error")
    wanted = ("invalid_grant",) if visit.client_id else ("invalid_client", "invalid_grant", "unauthorized_client")
    if reply.status in (400, 401) and error in wanted:
        yield Finding("ok", _TOKEN, f"a wrong code is refused with {reply.status} {quote(error)}")
    else:
        hint = (
            "clients read error in a JSON object with status 400 or 401 (RFC 6749 section 5.2), and give up otherwise"
        )
        text = f"a wrong code is answered with {reply.status} and the error {quote(error)}, not {' or '.join(wanted)}"
        yield Finding("warning", _TOKEN, text, hint)
