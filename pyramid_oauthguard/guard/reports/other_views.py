"""Finds open views, and forbidden views that replace the guard's own, for ``oauthguard check``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pyramid.httpexceptions import HTTPForbidden
from pyramid.interfaces import IException, IRoutesMapper
from pyramid.security import NO_PERMISSION_REQUIRED
from zope.interface.interface import InterfaceClass

from ...interfaces import Finding
from ..guarded_views import describe_place, find_permission
from ..requirements import VIEW_OPTIONS

__all__ = ["describe_other_views"]

_MOST_NAMED_VIEWS: Final = 50
_OURS: Final = "pyramid_oauthguard"
#: Keys of a view's introspectable: with one of them, the view answers some requests only.
_PREDICATES: Final = (
    "request_methods",
    "request_param",
    "xhr",
    "header",
    "accept",
    "custom_predicates",
    "match_param",
    "containment",
)


def describe_other_views(registry: Any) -> Iterator[Finding]:
    """Each view that answers without a token, and each view that answers refusals in place of the guard's own."""
    found = registry.introspector.get_category("views", [])
    views = [each["introspectable"] for each in found if not _is_ours(each["introspectable"])]
    related = {id(each["introspectable"]): each["related"] for each in found}
    open_views = sorted(
        {describe_place(registry, view) for view in views if _is_open(registry, view, related[id(view)])}
    )
    if open_views:
        more = f", and {len(open_views) - _MOST_NAMED_VIEWS} more" if len(open_views) > _MOST_NAMED_VIEWS else ""
        text = f"answer without a token: {', '.join(open_views[:_MOST_NAMED_VIEWS])}{more}"
        yield Finding(
            "ok", "open views", text, "token_check, token_require, token_issuer or a permission guards a view"
        )
    for view in views:
        if view.get("context") is HTTPForbidden:
            yield _describe_forbidden_view(registry, view)


def _is_ours(view: Any) -> bool:
    return str(getattr(view.get("callable"), "__module__", "")).partition(".")[0] == _OURS


def _is_open(registry: Any, view: Any, related: Any) -> bool:
    """Whether a view has no check and is not declared open (NO_PERMISSION_REQUIRED), as static files are."""
    if view.get("exception_only") or _is_of_exceptions(view.get("context")):
        return False
    if any(view.get(name) is not None for name in VIEW_OPTIONS):
        return False
    if any(each.category_name == "permissions" and each["value"] == NO_PERMISSION_REQUIRED for each in related):
        return False
    return find_permission(registry, view, related) is None


def _is_of_exceptions(context: Any) -> bool:
    if isinstance(context, type):
        return issubclass(context, BaseException)
    return isinstance(context, InterfaceClass) and context.isOrExtends(IException)


def _describe_forbidden_view(registry: Any, view: Any) -> Finding:
    function = view.get("callable")
    name = f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', repr(function))}"
    route = view.get("route_name")
    mapper = registry.queryUtility(IRoutesMapper)
    found = mapper.get_route(route) if mapper is not None and route else None
    where = f"of /{found.pattern.lstrip('/')}" if found is not None else "of every view"
    some = " for some requests" if any(view.get(name) for name in _PREDICATES) else ""
    text = f"{name} answers the refusals {where}{some}, in place of the guard's own view"
    hint = "let it call pyramid_oauthguard.guard.forbidden_view; otherwise callers get no WWW-Authenticate"
    return Finding("warning", "forbidden view", text, hint)
