"""The last step: a person signs in, sees the consent page, and comes back with a code (RFC 6749 section 4.1, RFC 7636)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Final

from pyramid.request import Request

from ..bodies import read_query
from ..documents import CLIENT_ID, build_redirect_uri
from ..parts import Parts
from .exchange import send
from .steps import Result, read_claims

__all__ = ["Answer", "build_address", "find_answer", "redeem"]

_PENDING: Final = "tour_person"


@dataclass(frozen=True, slots=True)
class Answer:
    """An authorization answer that the tour of this browser asked for."""

    code: str
    error: str
    verifier: str


def build_address(request: Request) -> str:
    """The address of the consent page. The session keeps the state and the verifier of one attempt, the last."""
    state, verifier = secrets.token_urlsafe(16), secrets.token_urlsafe(32)
    request.session[_PENDING] = [state, verifier]
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    query = {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": _find_redirect_uri(request),
        "scope": "customer_api",
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    address: str = request.route_path("oauthguard.authorize", _query=query)
    return address


def find_answer(request: Request) -> Answer | None:
    """The answer in the address, if its state and its issuer are those of this browser's own attempt, which is then over.

    None for any other, such as one that Swagger UI waits for.
    """
    parts: Parts = request.registry["example_app.parts"]
    if not parts.tour:
        return None
    pending = request.session.get(_PENDING)
    query = _read_query(request)
    if not isinstance(pending, list) or not hmac.compare_digest(pending[0].encode(), query.get("state", "").encode()):
        return None
    del request.session[_PENDING]
    if query.get("iss") != parts.issuer:
        return None
    return Answer(query.get("code", ""), query.get("error", ""), pending[1])


def redeem(request: Request, answer: Answer) -> Result:
    """The token for the code, and one call with it. It is shown and not kept."""
    if not answer.code:
        return Result(note="refused", error=answer.error)
    form = {
        "grant_type": "authorization_code",
        "code": answer.code,
        "redirect_uri": _find_redirect_uri(request),
        "client_id": CLIENT_ID,
        "code_verifier": answer.verifier,
    }
    path = request.route_path("oauthguard.token").removeprefix(request.script_name)
    issued = send(request, "POST", path, form=form)
    token = issued.body.get("access_token")
    if not isinstance(token, str):
        return Result((issued,))
    return Result((issued, send(request, "GET", "/customers?limit=3", token=token)), claims=read_claims(request, token))


def _read_query(request: Request) -> dict[str, str]:
    try:
        return read_query(request)
    except ValueError:
        return {}


def _find_redirect_uri(request: Request) -> str:
    parts: Parts = request.registry["example_app.parts"]
    return build_redirect_uri(parts.issuer)
