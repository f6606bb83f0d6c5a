"""GET /logo/NAME: the logo of a client, for the pages for users.

It is served from this origin, so that a page tells no other host who looks at it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response

from ..consent.look import LOGO_ROUTE
from ..grant_types import USER_GRANTS
from ..http.answers import build_answer
from ..service import Service, find_service
from ..settings import ServerSettings
from .views import add_endpoint

__all__ = ["describe", "include"]

_HEADERS: Final = {
    "Cache-Control": "public, max-age=86400, immutable",  # another image has another name
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def include(config: Configurator, settings: ServerSettings) -> None:
    """Add the route and its view."""
    if USER_GRANTS.intersection(settings.grants):
        pattern = f"{settings.path}/logo/{{name:[0-9a-f]{{32}}[.][a-z]+}}"
        add_endpoint(config, LOGO_ROUTE, pattern, {"GET": send_logo})


def send_logo(request: Request) -> Any:
    """The image, or 404."""
    with find_service(request).store.reading() as unit:
        logo = unit.find_logo(request.matchdict["name"])
    if logo is None:
        return build_answer(404, {"error": "not_found"})
    response = Response(logo.data, content_type=logo.media_type, charset=None)
    response.headers.update(_HEADERS)
    return response


def describe(service: Service, locate: Callable[[str], str]) -> dict[str, Any]:
    """No members: browsers find it through the pages."""
    return {}
