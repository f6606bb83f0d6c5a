"""The guarded views of an application, as people want to see them: where, how checked, for whom."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pyramid.authorization import ACLHelper, Authenticated, Everyone
from pyramid.interfaces import IDefaultPermission, IRootFactory, IRoutesMapper
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.traversal import DefaultRootFactory

from ..interfaces import Finding
from ..settings import as_list
from .requirements import VIEW_OPTIONS, build_needs, build_requirements
from .settings import GuardSettings
from .settings.principals import is_ours, is_possible, list_forms

__all__ = [
    "GuardedView",
    "describe_place",
    "find_granted",
    "find_modes",
    "find_permission",
    "find_scopes",
    "find_views",
    "judge_view",
]

#: A placeholder of a route's pattern that says what it takes: {id:[0-9]{1,9}}
_PLACEHOLDER: Final = re.compile(r"\{([_a-zA-Z]\w*):[^{}]*(?:\{[^{}]*\}[^{}]*)*\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedView:
    """One view.

    :ivar place: the route's pattern, or the context and the name.
    :ivar mode: ``"local"``, ``"remote"`` or ``"userinfo"``.
    :ivar require: its ``token_require``, or None.
    :ivar issuers: the issuers that its ``token_issuer`` names; empty for all.
    :ivar permission: None where no ACL is asked.
    :ivar resource: what its ACL is looked for on, as far as that is known without a request.
    :ivar route: the name of its route, or None.
    :ivar pattern: the pattern of its route, or None.
    """

    methods: tuple[str, ...]
    place: str
    mode: str
    require: Any
    issuers: tuple[str, ...]
    permission: str | None
    resource: Any
    route: str | None
    pattern: str | None

    @property
    def label(self) -> str:
        """Its methods and its place, for reports."""
        return f"{' '.join(self.methods) or 'any method'} {self.place}"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its requirements."""
        return tuple(self.require) if isinstance(self.require, Mapping) else ("scope",) if self.require else ()


def find_views(registry: Any, settings: GuardSettings) -> tuple[GuardedView, ...]:
    """Every view with ``token_check``, ``token_require``, ``token_issuer`` or a permission, in the order of their places."""
    found = registry.introspector.get_category("views", [])
    views = [_describe(registry, each["introspectable"], each["related"], settings) for each in found]
    return tuple(sorted((each for each in views if each is not None), key=lambda view: (view.place, view.methods)))


_HOW: Final = {"local": "locally", "remote": "remotely", "userinfo": "by userinfo"}


def find_modes(views: tuple[GuardedView, ...], settings: GuardSettings) -> frozenset[str]:
    """The modes that are in use; the default one is, also where only a permission is asked by hand."""
    return frozenset({settings.token_check, *(view.mode for view in views)})


def judge_view(view: GuardedView, settings: GuardSettings) -> Finding:
    """What the view requires, and a warning if no caller can have its permission."""
    wants = [f"checked {_HOW[view.mode]}", *_describe_requirements(view.require)]
    if view.issuers:
        wants.append(f"issuer {' '.join(view.issuers)}")
    if view.permission is not None:
        wants.append(f"permission {view.permission}")
    why = _find_hopelessness(view, settings) if view.permission is not None and settings.policy else None
    return Finding("warning" if why else "ok", view.label, ", ".join(wants), why or "")


def find_scopes(registry: Any, view: GuardedView) -> tuple[str, ...]:
    """The scopes that a view requires, as its challenges name them; as far as they are known without a request."""
    scopes = build_needs(build_requirements(registry, view.require)).scopes
    acl = getattr(view.resource, "__acl__", None)
    if view.permission is None or not isinstance(acl, (list, tuple)):
        return scopes
    granted = ACLHelper().principals_allowed_by_permission(_Seen(acl), view.permission)
    if not {Everyone, Authenticated}.isdisjoint(granted):
        return scopes
    named = sorted(name.removeprefix("scope:") for name in granted if str(name).startswith("scope:"))
    return tuple(dict.fromkeys((*scopes, *named)))


def _describe(registry: Any, view: Any, related: Any, settings: GuardSettings) -> GuardedView | None:
    permission = find_permission(registry, view, related)
    if permission is None and all(view.get(name) is None for name in VIEW_OPTIONS):
        return None
    methods = view.get("request_methods") or ()
    route = _find_route(registry, view.get("route_name"))
    return GuardedView(
        methods=(methods,) if isinstance(methods, str) else tuple(methods),
        place=_find_place(route, view),
        mode=view.get("token_check") or settings.token_check,
        require=view.get("token_require"),
        issuers=_as_names(view.get("token_issuer")),
        permission=permission,
        resource=_find_resource(registry, route, view),
        route=None if route is None else route.name,
        pattern=None if route is None else "/" + route.pattern.lstrip("/"),
    )


def describe_place(registry: Any, view: Any) -> str:
    """The methods and the place of a view's introspectable."""
    methods = view.get("request_methods") or ()
    names = methods if isinstance(methods, str) else " ".join(methods)
    return f"{names or 'any method'} {_find_place(_find_route(registry, view.get('route_name')), view)}"


def find_permission(registry: Any, view: Any, related: Any) -> str | None:
    """The permission of a view's introspectable, its own or the default one; None where none is asked for."""
    named = [each["value"] for each in related if each.category_name == "permissions"]
    if named:
        return None if named[0] == NO_PERMISSION_REQUIRED else str(named[0])
    default = None if view.get("exception_only") else registry.queryUtility(IDefaultPermission)
    return None if default in (None, NO_PERMISSION_REQUIRED) else str(default)


def _find_route(registry: Any, name: str | None) -> Any:
    mapper = registry.queryUtility(IRoutesMapper)
    return mapper.get_route(name) if mapper is not None and name is not None else None


def _find_place(route: Any, view: Any) -> str:
    if route is not None:
        return "/" + _PLACEHOLDER.sub(r"{\1}", route.pattern).lstrip("/")
    context = view.get("context")
    name = f"view {view['name']!r} of " if view.get("name") else ""
    return f"{name}{'any context' if context is None else getattr(context, '__name__', repr(context))}"


def _find_resource(registry: Any, route: Any, view: Any) -> Any:
    if isinstance(view.get("context"), type):
        return view["context"]
    return getattr(route, "factory", None) or registry.queryUtility(IRootFactory) or DefaultRootFactory


def _describe_requirements(require: Any) -> list[str]:
    if require is None:
        return []
    wanted = require if isinstance(require, Mapping) else {"scope": require}
    return [
        name if value is True else f"{name} {value if isinstance(value, str) else ' '.join(map(str, _as_items(value)))}"
        for name, value in wanted.items()
    ]


def _as_names(value: Any) -> tuple[str, ...]:
    return () if value is None else as_list(value)


def _as_items(value: Any) -> Any:
    return value if isinstance(value, (list, tuple, set, frozenset)) else (value,)


def _find_hopelessness(view: GuardedView, settings: GuardSettings) -> str | None:
    """Why no caller can have the permission, by the ACLs that can be seen without a request.

    An ACL that is computed can't be judged, nor can a context whose parents are only known at run time.
    """
    if view.resource is DefaultRootFactory:
        return "no ACL grants this permission to anybody, for there is no root factory: every request gets 403"
    granted = find_granted(view)
    if granted is None:
        return None
    if not granted:
        return "no ACL grants this permission to anybody: every request gets 403"
    if settings.principals is not None:  # the application's own function may make any
        return None
    possible = {name for name in granted if name in (Everyone, Authenticated) or is_possible(name, settings)}
    if not possible:
        names, forms = ", ".join(sorted(granted)), " ".join(list_forms(settings))
        return f"it is granted to {names} alone, which no token gives: principals are {forms}"
    impossible = sorted(name for name in granted - possible if is_ours(name))
    if impossible and not settings.is_plain:
        return f"no issuer gives {', '.join(impossible)}: principals are {' '.join(list_forms(settings))}"
    return None


def find_granted(view: GuardedView) -> frozenset[str] | None:
    """Whom the ACL grants the permission of the view; None where it has none, or where that is not known without a request."""
    acl = getattr(view.resource, "__acl__", None)
    is_known = isinstance(acl, (list, tuple)) and getattr(view.resource, "__parent__", None) is None
    if view.permission is None or not is_known:
        return None
    return frozenset(map(str, ACLHelper().principals_allowed_by_permission(_Seen(acl), view.permission)))


class _Seen:
    def __init__(self, acl: Any) -> None:
        self.__acl__ = acl
