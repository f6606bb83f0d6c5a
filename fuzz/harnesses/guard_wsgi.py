"""A guarded application on raw WSGI, with good, revoked and changed tokens."""

from __future__ import annotations

from typing import Any

from pyramid.config import Configurator
from pyramid.request import Request

from pyramid_oauthguard.testing import MemoryIssuer, trust

from ..source import Source

ISSUER = MemoryIssuer()
GOOD, REVOKED = ISSUER.mint(exp=2**40, scope="read"), ISSUER.mint(exp=2**40, scope="read")
ISSUER.revoke(REVOKED)
PATHS = ("/local", "/remote", "/scoped", "/open", "/nowhere")


def _build_app() -> Any:
    config = Configurator(
        settings={**ISSUER.settings, "oauthguard.resource": "https://api.test", "oauthguard.resource_metadata": "on"}
    )
    config.include("pyramid_oauthguard")
    options: dict[str, dict[str, Any]] = {
        "/local": {"token_check": "local"}, "/remote": {"token_check": "remote"},
        "/scoped": {"token_require": "read"}, "/open": {},
    }  # fmt: skip
    for path, each in options.items():
        config.add_route(path, path)
        config.add_view(
            lambda request: {"sub": request.access_token and request.access_token.subject},
            route_name=path,
            renderer="json",
            **each,
        )
    app = config.make_wsgi_app()
    trust(app, ISSUER)
    return app


APP = _build_app()


def run(data: bytes) -> None:
    """No 500; 200 on a guarded path only for the good token, and on a remote one never for the revoked one."""
    source = Source(data)
    path = source.choose((*PATHS, "/.well-known/oauth-protected-resource", source.take_text() or "/"))
    token = source.choose((GOOD, REVOKED, source.take_text()))
    header = source.choose(
        (f"Bearer {token}", f"bearer  {token}", f"DPoP {token}", f"Basic {token}, Bearer {token}", source.take_text())
    )
    request = Request.blank("/")
    request.environ["PATH_INFO"] = path.encode("utf-8", "surrogateescape").decode("latin-1")
    request.environ["REQUEST_METHOD"] = source.choose(("GET", "GET", "POST", "HEAD", "OPTIONS", "PUT"))
    request.environ["QUERY_STRING"] = source.take_bytes().decode("latin-1")
    request.environ["HTTP_AUTHORIZATION"] = header.encode("utf-8", "surrogateescape").decode("latin-1")
    for name in ("HTTP_ORIGIN", "HTTP_COOKIE", "HTTP_ACCEPT_LANGUAGE", "CONTENT_TYPE", "HTTP_X_VHM_ROOT"):
        if source.take_byte() % 4 == 3:
            request.environ[name] = source.take_bytes().decode("latin-1")
    response = request.get_response(APP)
    assert response.status_int in {200, 204, 303, 307, 400, 401, 403, 404, 405, 431}, response.status
    assert all(value.isprintable() for value in response.headers.values())
    if response.status_int == 200 and path in ("/local", "/remote", "/scoped"):
        assert token == GOOD or (token == REVOKED and path != "/remote"), header
    assert token not in (GOOD, REVOKED) or token.encode() not in response.body
