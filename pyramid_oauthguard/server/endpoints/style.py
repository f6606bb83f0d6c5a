"""GET /pages.css: the style sheet of the pages for users."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pyramid.config import Configurator
from pyramid.path import AssetResolver
from pyramid.request import Request
from pyramid.response import FileResponse

from ..consent.pages import STYLE_ROUTE
from ..grant_types import USER_GRANTS
from ..service import Service
from ..settings import ServerSettings
from .views import add_endpoint

__all__ = ["describe", "include"]

_STYLE: Final = "pyramid_oauthguard.server:static/pages.css"
_AGE_SECONDS: Final = 3600


def include(config: Configurator, settings: ServerSettings) -> None:
    """Add the route and its view."""
    # Not a static view: those refuse packages that pytest has imported, which would break the test suite of each user.
    if USER_GRANTS.intersection(settings.grants):
        add_endpoint(config, STYLE_ROUTE, f"{settings.path}/pages.css", {"GET": send_style})


def send_style(request: Request) -> Any:
    """Our style sheet, or the one with which the application overrides it."""
    path = AssetResolver().resolve(_STYLE).abspath()
    return FileResponse(path, request=request, cache_max_age=_AGE_SECONDS, content_type="text/css")


def describe(service: Service, locate: Callable[[str], str]) -> dict[str, Any]:
    """No members: browsers find it through the pages."""
    return {}
