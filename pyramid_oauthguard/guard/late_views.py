"""Exception views that the guard adds last, so that any other package may have its own, in any order of includes."""

from __future__ import annotations

from typing import Any, Final

from pyramid.config import Configurator
from pyramid.config.predicates import DEFAULT_PHASH
from pyramid.exceptions import URLDecodeError
from pyramid.httpexceptions import HTTPBadRequest, HTTPForbidden
from pyramid.interfaces import IExceptionViewClassifier, IMultiView, IRequest, ISecuredView, IView
from pyramid.request import Request
from pyramid.traversal import ResourceTreeTraverser
from zope.interface import implementedBy

from ..exception_views import View, add_fallback_view, add_late_view

__all__ = ["add_late_views", "find_forbidden_view"]

#: After the views of the application.
_LAST: Final = 1_000


def add_late_views(config: Configurator, forbidden_view: View) -> None:
    """Add the view of an HTTPForbidden unless there is one, and the answer to an address that is not UTF-8."""
    registry = config.registry

    def add_forbidden() -> None:
        if find_forbidden_view(registry) is None:
            add_late_view(registry, HTTPForbidden, forbidden_view)

    def add_undecodable() -> None:
        add_fallback_view(registry, URLDecodeError, _render_undecodable)
        add_fallback_view(registry, UnicodeDecodeError, _render_undecodable_root)  # the base class, so it comes second

    config.action(("oauthguard", "forbidden"), add_forbidden, order=_LAST)
    config.action(("oauthguard", "undecodable"), add_undecodable, order=_LAST)


def find_forbidden_view(registry: Any) -> Any:
    """The view that answers every HTTPForbidden, or None.

    Views of a base class do not count: Pyramid has one for all HTTP exceptions. Nor do views with a predicate or of one
    route, because they answer some requests only.
    """
    place = (IExceptionViewClassifier, IRequest, implementedBy(HTTPForbidden))
    for kind in (ISecuredView, IMultiView, IView):
        found = registry.adapters.registered(place, kind, "")
        if found is not None:
            views = getattr(found, "views", None)  # of a MultiView: (order, view, phash)
            plain = [view for _order, view, phash in views if phash == DEFAULT_PHASH] if views else [found]
            if plain and getattr(plain[0], "__phash__", DEFAULT_PHASH) == DEFAULT_PHASH:
                return plain[0]
    return None


def _render_undecodable(_context: Any, _request: Request) -> HTTPBadRequest:
    """The caller's mistake, which Pyramid by itself answers with 500."""
    return HTTPBadRequest("The address is not valid UTF-8.")


def _render_undecodable_root(context: Any, request: Request) -> HTTPBadRequest:
    """The same for the header X-Vhm-Root, which Pyramid's traversal puts before the path. Any caller can send it.

    Any other UnicodeDecodeError is a fault of the application and stays one.
    """
    if context.object != request.environ.get(ResourceTreeTraverser.VH_ROOT_KEY, "").encode("latin-1", "replace"):
        raise context
    return HTTPBadRequest("The header X-Vhm-Root is not valid UTF-8.")
