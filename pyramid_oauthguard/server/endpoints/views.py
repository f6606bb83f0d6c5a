"""How an endpoint is added to an application, independent of the policy, defaults and factories of the application."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pyramid.config import Configurator
from pyramid.config.views import DefaultViewMapper
from pyramid.request import Request
from pyramid.security import NO_PERMISSION_REQUIRED

from ...outages import Outages
from ..consent.pages import answer_errors_on_page, refuse_on_page
from ..http.answers import Refuse, answer_errors, refuse_in_json
from ..http.attempts import answer_once
from ..http.cors import Readers, answer_preflight, is_preflight, share_answers
from ..http.route_order import add_named_route
from ..request_headers import bound_headers
from ..request_ids import label_answers
from ..service import find_service

__all__ = ["Nothing", "add_endpoint", "add_page"]


View = Callable[[Request], Any]


class Nothing:
    """The context of our routes; the application's root factory is not called."""

    def __init__(self, request: Request) -> None:
        self.__name__ = ""
        self.__parent__ = None


def add_endpoint(
    config: Configurator,
    name: str,
    pattern: str,
    views: Mapping[str, View],
    *,
    readers: Readers = Readers.NO_SITE,
    **predicates: Any,
) -> None:
    """Add a route with a view for each method; other methods are answered 405 with ``Allow``.

    :param views: views by method; ``GET`` answers HEAD too.
    :param predicates: of the route.
    :param readers: the sites whose scripts may call it; see :mod:`~pyramid_oauthguard.server.http.cors`.
    """
    answering = {method: answer_once(answer_errors(view, _find_outages)) for method, view in views.items()}
    _add_route(config, name, pattern, answering, readers=readers, refuse=refuse_in_json, **predicates)


def add_page(
    config: Configurator,
    name: str,
    pattern: str,
    views: Mapping[str, View],
    *,
    again: Callable[[Request], str | None] | None = None,
) -> None:
    """Add an endpoint for browsers: a page tells the user about errors and refusals.

    :param again: see :func:`~pyramid_oauthguard.server.consent.pages.answer_errors_on_page`.
    """
    shown = {
        method: answer_errors(answer_errors_on_page(view, again=again), _find_outages) for method, view in views.items()
    }
    _add_route(config, name, pattern, shown, readers=Readers.NO_SITE, refuse=refuse_on_page)


def _add_route(
    config: Configurator,
    name: str,
    pattern: str,
    views: Mapping[str, View],
    *,
    readers: Readers,
    refuse: Refuse,
    **predicates: Any,
) -> None:
    """Add the route, its views, and one for all other methods.

    :param refuse: answers other methods, and headers that are too long.
    """
    add_named_route(config, name, pattern, factory=Nothing, **predicates)
    for method, view in views.items():
        _add_view(config, name, _share(view, readers), refuse, request_method=method)
    allow = ", ".join(sorted({*views, *({"HEAD"} if "GET" in views else ())}))

    def refuse_method(request: Request) -> Any:
        if readers is not Readers.NO_SITE and is_preflight(request):
            return answer_preflight(request, allow)
        return refuse(request, 405, f"The method must be {allow}.", [("Allow", allow)])

    _add_view(config, name, _share(refuse_method, readers), refuse)


def _share(view: View, readers: Readers) -> View:
    return share_answers(view, readers, lambda request: find_service(request).origins)


def _find_outages(request: Request) -> Outages:
    return find_service(request).outages


def _add_view(config: Configurator, name: str, view: View, refuse: Refuse, **predicates: Any) -> None:
    # Callers have no session and no token yet: neither a default permission nor a CSRF check may refuse them.
    config.add_view(
        label_answers(bound_headers(view, refuse=refuse)),
        route_name=name,
        permission=NO_PERMISSION_REQUIRED,
        require_csrf=False,
        mapper=DefaultViewMapper,  # the application may call its own views in another way
        **predicates,
    )
