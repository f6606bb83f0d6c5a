"""CORS for the origins in ``oauthguard.cors_origins``: their preflights are answered, and their pages may read the answers.

No answer allows credentials: the guard reads tokens from a header that no browser adds by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any, Final

from pyramid.interfaces import IRequestFactory, IRoutesMapper
from pyramid.registry import Registry
from pyramid.request import Request, apply_request_extensions
from pyramid.response import Response

from ..guarded_views import find_views

__all__ = ["answer_preflight", "is_preflight", "share_answer", "tween_factory"]

_METHOD: Final = re.compile(r"[A-Z]{1,32}")
#: A list of field names (RFC 9110 section 5.1), with a maximum length that is enough for browsers.
_FIELD_NAMES: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}(?:[ ]?,[ ]?[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}){0,31}")
_MAX_AGE_SECONDS: Final = "600"
_READABLE: Final = "WWW-Authenticate, Location, Retry-After, Mcp-Session-Id, DPoP-Nonce"
_ROUTES: Final = "_oauthguard_guarded_routes"


def is_preflight(request: Request) -> bool:
    """Whether this is a CORS preflight as the Fetch standard defines it."""
    environ = request.environ
    return (
        environ["REQUEST_METHOD"] == "OPTIONS"
        and "HTTP_ORIGIN" in environ
        and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ
    )


def answer_preflight(request: Request, origins: Collection[str]) -> Response:
    """An empty answer; for pages of ``origins``, with what they may send.

    Any header: clients add their own (``mcp-protocol-version``, ``traceparent``, ``dpop``), and none of them stands for the
    caller but ``Authorization``, which a page must know the token for.
    """
    response = Response(status=204)
    if not origins:
        return response
    share_answer(request, response, origins)
    if "Access-Control-Allow-Origin" in response.headers:
        method = request.headers["Access-Control-Request-Method"]
        names = request.headers.get("Access-Control-Request-Headers", "").strip()
        response.headers["Access-Control-Allow-Methods"] = method if _METHOD.fullmatch(method) else "GET, POST"
        response.headers["Access-Control-Allow-Headers"] = names if _FIELD_NAMES.fullmatch(names) else "Authorization"
        response.headers["Access-Control-Max-Age"] = _MAX_AGE_SECONDS
    return response


def share_answer(request: Request, response: Any, origins: Collection[str]) -> None:
    """Let a page of one of ``origins`` read the answer. ``Vary`` keeps caches from handing it to pages of others."""
    origin = request.environ.get("HTTP_ORIGIN")
    _add_vary(response, "Origin")
    if origin in origins:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = _READABLE


def tween_factory(handler: Callable[[Any], Any], registry: Registry) -> Callable[[Any], Any]:
    """Answer preflights of guarded views that a request with the method OPTIONS does not reach.

    A view with ``request_method="POST"`` is not found for OPTIONS, and the answer to the browser would be 404.
    """

    def preflight_tween(request: Request) -> Any:
        if is_preflight(request) and _leads_to_guarded(request):
            return answer_preflight(request, registry.oauthguard.settings.cors_origins)
        return handler(request)

    return preflight_tween


def _leads_to_guarded(request: Request) -> bool:
    """Whether the request that the browser asks about would be routed to a place with a guarded view."""
    registry = request.registry
    mapper = registry.queryUtility(IRoutesMapper)
    if mapper is None:
        return False
    method = request.headers["Access-Control-Request-Method"]
    asked = (registry.queryUtility(IRequestFactory) or Request)({**request.environ, "REQUEST_METHOD": method})
    asked.registry = registry
    apply_request_extensions(asked)  # predicates of routes may need them
    try:
        route = mapper(asked)["route"]
    except UnicodeDecodeError:  # the router answers it
        return False
    return route is not None and route.name in _find_guarded_routes(registry)


def _find_guarded_routes(registry: Registry) -> frozenset[str]:
    found: frozenset[str] | None = registry.__dict__.get(_ROUTES)
    if found is None:
        views = find_views(registry, registry.oauthguard.settings)
        found = registry.__dict__[_ROUTES] = frozenset(view.route for view in views if view.route is not None)
    return found


def _add_vary(response: Any, name: str) -> None:
    """In one header line: some readers use only the first line."""
    there = ", ".join(response.headers.getall("Vary"))
    names = {each.strip().lower() for each in there.split(",")}
    if names.isdisjoint({name.lower(), "*"}):
        response.headers["Vary"] = f"{there}, {name}" if there else name
