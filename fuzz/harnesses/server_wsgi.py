"""All endpoints of an authorization server on raw WSGI; tickets, codes and tokens of its answers are sent back to it."""

from __future__ import annotations

import base64
import hashlib
import re
import tempfile
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPSeeOther
from pyramid.request import Request

from pyramid_oauthguard.server.clients import get_clients

from ..source import Source

ISSUER = "http://localhost:6543"
CALLBACK = "https://web.example/callback"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
PATHS = ("authorize", "token", "revoke", "introspect", "jwks", "device_authorization", "device", "applications")
NAMES = (
    "grant_type",
    "client_id",
    "client_secret",
    "scope",
    "token",
    "token_type_hint",
    "resource",
    "code",
    "redirect_uri",
    "refresh_token",
    "device_code",
    "user_code",
    "code_verifier",
    "code_challenge",
    "code_challenge_method",
    "response_type",
    "state",
    "ticket",
    "decision",
    "scope.read",
    "client_assertion",
    "client_assertion_type",
    "_LOCALE_",
)
GRANTS = ("client_credentials", "authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code")


class _Owner:
    def user(self, request: Any) -> str | None:
        return "anna" if request.cookies.get("user") == "anna" else None

    def sign_in(self, request: Any) -> Any:
        return HTTPSeeOther("/sign-in")


def _build_app() -> tuple[Any, Any]:
    folder = tempfile.mkdtemp(prefix="fuzz-")
    given = {
        "issuer": ISSUER, "audience": "https://api.example", "scopes": "read = Read\nwrite = Write", "default_scopes": "read",
        "signing.algorithm": "ES256", "sqlalchemy.url": f"sqlite:///{folder}/oauth.sqlite", "limits": "off",
    }  # fmt: skip
    config = Configurator(settings={f"oauthguard.server.{name}": value for name, value in given.items()})
    config.include("pyramid_oauthguard.server")
    config.set_resource_owner(_Owner())
    app = config.make_wsgi_app()
    clients = get_clients(app.registry)
    made = (
        clients.create("Web", grants=GRANTS, scopes=["read", "write"], redirect_uris=[CALLBACK]),
        clients.create("API", role="resource_server"),
        clients.create("Native", public=True, grants=GRANTS[1:], scopes=["read"], redirect_uris=["http://127.0.0.1/"]),
    )
    return app, made


APP, CLIENTS = _build_app()
#: What answers gave: tickets, codes and tokens to use again, rightly or wrongly.
LIVE = [
    "read",
    "write",
    "code",
    "S256",
    CHALLENGE,
    VERIFIER,
    CALLBACK,
    "allow",
    "deny",
    "on",
    "http://127.0.0.1:8000/",
    *GRANTS,
]
LIVE += [each.client.client_id for each in CLIENTS]
_FIXED = len(LIVE)
_MOST = 60
_TICKET = re.compile(r'name="ticket" value="([^"]+)"')


def run(data: bytes) -> None:
    """Up to four requests in a row, none of which is a 500."""
    source = Source(data)
    for _each in range(1 + source.take_byte() % 4):
        response = _send(source)
        assert response.status_int in {200, 302, 303, 400, 401, 403, 404, 405, 413, 431}, response.status
        assert all("\n" not in value and "\r" not in value for value in response.headers.values())
        _keep(response)


def _send(source: Source) -> Any:
    path = source.choose(PATHS)
    fields = [(source.choose(NAMES), _take_value(source)) for _each in range(source.take_byte() % 10)]
    if source.take_byte() % 2:
        fields += _build_good(path, source)
    encoded = (
        urlencode(fields, quote_via=quote, errors="surrogateescape") if source.take_byte() % 16 else source.take_text()
    )
    method = source.choose(("POST", "GET", "POST", "GET", "HEAD", "OPTIONS", "PUT"))
    request = Request.blank(f"/oauth/{path}", method=method)
    if method == "POST":
        request.body = encoded.encode("utf-8", "surrogateescape")
        request.environ["CONTENT_TYPE"] = (
            "application/x-www-form-urlencoded" if source.take_byte() % 16 else source.take_text()
        )
    else:
        request.environ["QUERY_STRING"] = encoded.encode("utf-8", "surrogateescape").decode("latin-1")
    client = source.choose((*CLIENTS, None))
    if client is not None and client.secret:
        pair = f"{client.client.client_id}:{client.secret}".encode()
        request.environ["HTTP_AUTHORIZATION"] = "Basic " + base64.b64encode(pair).decode()
    if source.take_byte() % 3:
        request.environ["HTTP_COOKIE"] = "user=anna"
    return request.get_response(APP)


def _take_value(source: Source) -> str:
    return source.choose(LIVE) if source.take_byte() % 4 else source.take_text()


def _build_good(path: str, source: Source) -> list[tuple[str, str]]:
    """A request that gets far."""
    web = CLIENTS[0].client.client_id
    if path == "authorize":
        return [
            ("response_type", "code"),
            ("client_id", web),
            ("redirect_uri", CALLBACK),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]
    if path == "token":
        return [("grant_type", source.choose(GRANTS)), ("code_verifier", VERIFIER), ("redirect_uri", CALLBACK)]
    return [("token", source.choose(LIVE)), ("client_id", CLIENTS[2].client.client_id)]


def _keep(response: Any) -> None:
    if response.content_type == "application/json" and response.body:
        found = (
            [value for value in response.json.values() if isinstance(value, str)]
            if isinstance(response.json, dict)
            else []
        )
    else:
        found = _TICKET.findall(response.text) if response.content_type == "text/html" else []
        found += [
            value
            for values in parse_qs(urlsplit(response.headers.get("Location", "")).query).values()
            for value in values
        ]
    LIVE.extend(found)
    del LIVE[_FIXED : max(_FIXED, len(LIVE) - _MOST)]
