"""The server's routes are matched in the order of the application's includes.

Pyramid tries routes in the order in which they were added. Which routes the server has depends on settings and directives
that may come after the include, so they are added late, and moved here to the place that an ordinary include would give them.
"""

from __future__ import annotations

from typing import Any, Final

from pyramid.config import Configurator
from pyramid.interfaces import PHASE3_CONFIG, IRoutesMapper
from pyramid.registry import Registry
from zope.interface import Interface

__all__ = ["EXACT", "add_named_route", "find_routes_in_front", "keep_place", "take_place"]

#: The name of the route predicate :class:`~pyramid_oauthguard.server.http.exact_path.ExactPath` for the server's routes.
EXACT: Final = "oauthguard_server_exact_path"
#: After every route of this commit is connected, which Pyramid does in PHASE3.
_CONNECTED: Final = PHASE3_CONFIG + 1


class _IRoutePlace(Interface):
    """The registry key of :class:`_RoutePlace`."""


class _RoutePlace:
    """Which routes were there before the server's, and which are the server's."""

    def __init__(self) -> None:
        self._before: tuple[Any, ...] | None = None
        self.names: set[str] = set()

    def remember(self, mapper: Any) -> None:
        if self._before is None:
            self._before = tuple(mapper.get_routes())

    def take(self, mapper: Any) -> None:
        """Move the server's routes behind those that were there before them, and in front of all others."""
        routes = mapper.get_routes()
        ours = [route for route in routes if route.name in self.names]
        others = [route for route in routes if route.name not in self.names]
        before = [route for route in others if route in (self._before or ())]
        routes[:] = before + ours + [route for route in others if route not in before]


def keep_place(config: Configurator) -> None:
    """Give the server's routes the place of this call, although they are added later. A second include changes
    nothing."""
    place = _find_place(config.registry)
    # Routes are connected in PHASE3, in the order of the calls: so this runs between those before and those after it.
    config.action(("oauthguard server", "place"), lambda: place.remember(config.get_routes_mapper()))


def add_named_route(config: Configurator, name: str, pattern: str, **options: Any) -> None:
    """``config.add_route`` for a route of the server, which matches no path with a line feed after it."""
    _find_place(config.registry).names.add(name)
    config.add_route(name, pattern, **{EXACT: True}, **options)


def take_place(config: Configurator) -> None:
    """Move the server's routes to the place that :func:`keep_place` kept, once they are connected."""
    place = _find_place(config.registry)
    config.action(("oauthguard server", "routes"), lambda: place.take(config.get_routes_mapper()), order=_CONNECTED)


def find_routes_in_front(registry: Registry) -> list[tuple[Any, Any]]:
    """Pairs of a route of another package and a route of the server, if the first is matched before it at the server's
    path."""
    names = _find_place(registry).names
    mapper = registry.queryUtility(IRoutesMapper)
    routes = [] if mapper is None else mapper.get_routes()
    found = []
    for position, route in enumerate(routes):
        if route.name in names:
            path = _find_path(route.pattern)
            earlier = (each for each in routes[:position] if each.name not in names)
            found += [(each, route) for each in earlier if each.match(path) is not None]
    return found


def _find_path(pattern: str) -> str:
    """A path that a pattern of the server matches; its only placeholder stands for the rest of a path."""
    return "/" + pattern.partition("{")[0].lstrip("/")


def _find_place(registry: Registry) -> _RoutePlace:
    place: _RoutePlace | None = registry.queryUtility(_IRoutePlace)
    if place is None:
        place = _RoutePlace()
        registry.registerUtility(place, _IRoutePlace)
    return place
