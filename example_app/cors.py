"""CORS: pages of the origins in ``cors.origins`` may call the API from a browser.

A preflight is answered here, before routing and without a token: browsers send none with it (Fetch section 4.8).
Cookies are never allowed: the API accepts tokens only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.tweens import EXCVIEW

from .settings import read_cors

__all__ = ["tween_factory"]

# Only the API: the authorization server has its own rules, and pages of other origins must not read our pages.
_PATHS: Final = ("/customers", "/api/", "/mcp")
_METHODS: Final = "GET, POST"
_REQUEST_HEADERS: Final = "Authorization, Content-Type, MCP-Protocol-Version, Mcp-Method, Mcp-Name, Mcp-Session-Id, Last-Event-ID, Traceparent"
# What a page may read besides the body: the challenge has the reason why a token was refused.
_RESPONSE_HEADERS: Final = "WWW-Authenticate, Location, Retry-After"
_MAX_AGE: Final = "600"


def includeme(config: Configurator) -> None:
    """Put the tween around everything that writes an answer, so that refusals can be read by pages too."""
    config.add_tween(
        f"{__name__}.tween_factory",
        over=["example_app.problems.storage_tween_factory", "pyramid_tm.tm_tween_factory", EXCVIEW],
    )


def tween_factory(handler: Any, registry: Any) -> Callable[[Request], Response]:
    """Answer preflights and mark the other answers for the origins that may read them."""
    origins = read_cors(registry.settings).origins

    def cors_tween(request: Request) -> Response:
        # The raw path: the decoded one raises for bytes that are not UTF-8.
        if not request.environ.get("PATH_INFO", "").startswith(_PATHS):
            return handler(request)
        response = _answer_preflight() if _is_preflight(request) else handler(request)
        _mark(response, request.headers.get("Origin"), origins)
        return response

    return cors_tween


def _is_preflight(request: Request) -> bool:
    headers = request.headers
    return request.method == "OPTIONS" and "Origin" in headers and "Access-Control-Request-Method" in headers


def _answer_preflight() -> Response:
    return Response(
        status=204,
        headerlist=[
            ("Access-Control-Allow-Methods", _METHODS),
            ("Access-Control-Allow-Headers", _REQUEST_HEADERS),
            ("Access-Control-Max-Age", _MAX_AGE),
        ],
    )


def _mark(response: Response, origin: str | None, origins: tuple[str, ...]) -> None:
    if origins == ("*",):
        allowed = "*"
    else:
        _add_vary(response)  # also for a refused origin: a shared cache must not hand its answer to another
        if origin is None or origin not in origins:
            return
        allowed = origin
    response.headers["Access-Control-Allow-Origin"] = allowed
    response.headers["Access-Control-Expose-Headers"] = _RESPONSE_HEADERS


def _add_vary(response: Response) -> None:
    vary = response.vary or ()
    if "*" not in vary and "origin" not in {name.lower() for name in vary}:
        response.vary = (*vary, "Origin")
