"""Health for load balancers and operators: ``GET /oauthguard/health``. The guard and the server include it."""

from __future__ import annotations

from typing import Any

from pyramid.config.views import DefaultViewMapper
from pyramid.request import Request
from pyramid.security import NO_PERMISSION_REQUIRED

from .board import find_board
from .settings import parse_settings
from .views import ROUTE, show_health

__all__ = ["ROUTE", "find_board", "includeme"]

_PATTERN = "/oauthguard/health{part:(?:/alive|/ready)?}"


class _Nothing:
    """The context of the route. The application's root factory may use a database, and is called for reasons only."""

    def __init__(self, request: Request) -> None:
        self.__name__ = ""
        self.__parent__ = None


def includeme(config: Any) -> None:
    """Add the route, unless ``oauthguard.health = off``. A second include changes nothing."""
    settings = parse_settings(config.registry.settings)
    if not settings.on:
        return
    config.add_route(ROUTE, _PATTERN, factory=_Nothing)
    config.add_view(
        show_health,
        route_name=ROUTE,
        request_method=("GET", "HEAD"),
        permission=NO_PERMISSION_REQUIRED,
        require_csrf=False,
        mapper=DefaultViewMapper,  # the application may call its own views in another way
    )
