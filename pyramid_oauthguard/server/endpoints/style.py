"""GET /pages.css, /theme.css, /site-logo: what the pages for users load."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response

from ..consent.look import SITE_LOGO_ROUTE, STYLE_ROUTE, THEME_ROUTE, Asset, find_look, load_style
from ..grant_types import USER_GRANTS
from ..service import Service
from ..settings import ServerSettings
from .views import add_endpoint

__all__ = ["describe", "include"]

_AGE_SECONDS: Final = 3600


def include(config: Configurator, settings: ServerSettings) -> None:
    """Add the routes and their views; those of the application's files only if there are such files."""
    # Not static views: those refuse packages that pytest has imported, which would break the test suite of each user.
    if not USER_GRANTS.intersection(settings.grants):
        return
    add_endpoint(config, STYLE_ROUTE, f"{settings.path}/pages.css", {"GET": send_style})
    if settings.pages.stylesheet is not None:
        add_endpoint(config, THEME_ROUTE, f"{settings.path}/theme.css", {"GET": send_theme})
    if settings.pages.logo is not None:
        add_endpoint(config, SITE_LOGO_ROUTE, f"{settings.path}/site-logo", {"GET": send_logo})


def send_style(request: Request) -> Any:
    """Our style sheet."""
    return _send(load_style())


def send_theme(request: Request) -> Any:
    """The style sheet of the application."""
    return _send(find_look(request.registry).theme)


def send_logo(request: Request) -> Any:
    """The logo. An SVG image can contain script, which runs where the image is opened as a page: the policy forbids it."""
    response = _send(find_look(request.registry).logo)
    response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    return response


def describe(service: Service, locate: Callable[[str], str]) -> dict[str, Any]:
    """No members: browsers find them through the pages."""
    return {}


def _send(asset: Asset | None) -> Any:
    if asset is None:
        raise LookupError("the route exists only if there is a file")
    response = Response(asset.body, content_type=asset.content_type, conditional_response=True)
    response.cache_expires(_AGE_SECONDS)
    response.etag = asset.version
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
